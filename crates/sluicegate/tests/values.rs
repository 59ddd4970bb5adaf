//! Keys, timestamps, costs, waits, units and algorithms.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;
use sluicegate::{Algorithm, Clock, Cost, Key, ManualClock, Quota, SystemClock, Timestamp, Unit, Wait};

#[test]
fn a_longer_wait_is_a_greater_wait() {
    let rising = [
        Wait::None,
        Wait::Release,
        Wait::For(Duration::from_nanos(1)),
        Wait::For(Duration::from_secs(1)),
        Wait::Forever,
    ];
    assert!(rising.is_sorted_by(|shorter, longer| shorter < longer));
}

#[test]
fn only_a_wait_of_known_length_has_a_duration() {
    let second = Duration::from_secs(1);
    assert_eq!(Wait::None.duration(), Some(Duration::ZERO));
    assert_eq!(Wait::For(second).duration(), Some(second));
    assert_eq!(Wait::Release.duration(), None);
    assert_eq!(Wait::Forever.duration(), None);
}

#[test]
fn only_no_wait_fits() {
    assert!(Wait::None.fits());
    assert!(![Wait::Release, Wait::For(Duration::from_nanos(1)), Wait::Forever].into_iter().any(Wait::fits));
}

#[test]
fn a_time_before_is_no_time_since() {
    let (early, late) = (Timestamp::from_ticks(16), Timestamp::from_ticks(48));
    assert_eq!(late.since(early), Duration::from_nanos(2));
    assert_eq!(early.since(late), Duration::ZERO);
}

#[test]
fn a_part_of_a_nanosecond_counts_as_a_whole_one() {
    assert_eq!(Timestamp::from_ticks(1).since(Timestamp::EPOCH), Duration::from_nanos(1));
    assert_eq!(Timestamp::from_ticks(17).since(Timestamp::EPOCH), Duration::from_nanos(2));
}

#[test]
fn time_ends_where_the_clock_ends() {
    let end = Timestamp::from_ticks(u64::MAX);
    assert_eq!(end + Duration::from_nanos(1), end);
    assert_eq!(Timestamp::EPOCH + Duration::MAX, end);
    let clock = ManualClock::new();
    clock.advance(Duration::MAX);
    clock.advance_ticks(1);
    assert_eq!(clock.now(), end);
}

#[test]
fn clones_of_a_manual_clock_are_one_clock() {
    let clock = ManualClock::new();
    clock.clone().advance_ticks(5);
    assert_eq!(clock.now(), Timestamp::from_ticks(5));
}

#[test]
fn the_systems_clock_never_goes_back() {
    let clock = SystemClock::new();
    let readings: Vec<_> = (0..1_000).map(|_| clock.now()).collect();
    assert!(readings.is_sorted());
}

#[test]
fn whole_dollars_that_no_cost_can_hold_are_none() {
    assert_eq!(Cost::of(3, Unit::Items), Some(Cost::new(3)));
    assert_eq!(Cost::of(18_446_744_073, Unit::Usd), Some(Cost::new(18_446_744_073_000_000_000)));
    assert_eq!(Cost::of(18_446_744_074, Unit::Usd), None);
}

#[test]
fn every_name_reads_as_what_it_names() {
    for unit in Unit::ALL {
        assert_eq!(unit.to_string().parse(), Ok(unit));
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    assert!("".parse::<Unit>().is_err());
    assert!("Token-Bucket".parse::<Algorithm>().is_err());
}

#[test]
fn a_quota_changes_only_into_one_that_makes_sense() {
    let minute = Duration::from_secs(60);
    let quota = Quota::new(200, minute).expect("a good quota");
    assert!(Quota::new(1, Duration::ZERO).is_err());
    assert!(Quota::new(1, Quota::MAX_WINDOW + Duration::from_nanos(1)).is_err());
    assert!(quota.with_algorithm(Algorithm::Concurrent).is_err());
    assert!(quota.with_unit(Unit::Concurrent).is_err());
    assert!(Quota::concurrent(1).with_algorithm(Algorithm::TokenBucket).is_err());
    assert!(Quota::concurrent(1).with_unit(Unit::Items).is_err());
    assert!(quota.with_algorithm(Algorithm::SlidingLog).is_err(), "200 are more than a log holds");
    let bursty = quota.with_burst(20).expect("a good burst");
    assert!(bursty.with_algorithm(Algorithm::FixedWindow).is_err());
    assert!(quota.with_algorithm(Algorithm::FixedWindow).and_then(|fixed| fixed.with_burst(20)).is_err());
}

#[test]
fn a_shared_quota_is_rounded_down_but_keeps_one_unit() {
    let quota = |text: &str| text.parse::<Quota>().expect("a good quota");
    let shared = |text, among: u32| quota(text).shared(among.try_into().expect("not zero"));
    assert_eq!(shared("10/minute burst 5", 2), quota("5/minute burst 2"));
    assert_eq!(shared("9/minute", 3), quota("3/minute"), "a third of nine is three, whatever a millionth is");
    assert_eq!(shared("3/minute", 4), quota("1/minute"));
    assert_eq!(shared("0/minute", 4), quota("0/minute"));
    assert_eq!(shared("8 concurrent", 3), quota("2 concurrent"));
    assert_eq!(shared("7 tokens/minute", 1), quota("7 tokens/minute"));
    // Six at one each ten years would take longer to come back than a clock lasts.
    let long = quota("19 per 10 years").with_burst(60).expect("a burst of 32 years");
    let tenth = long.shared(10.try_into().expect("ten"));
    assert_eq!((tenth.amount(), tenth.burst_size()), (1, 1));
}

#[test]
fn a_scaled_quota_is_rounded_down_but_keeps_one_unit() {
    let quota = |text: &str| text.parse::<Quota>().expect("a good quota");
    assert_eq!(quota("10/minute burst 5").scaled(200_000), quota("2/minute burst 1"));
    assert_eq!(quota("19/minute").scaled(100_000), quota("1/minute"));
    assert_eq!(quota("3/minute").scaled(0), quota("1/minute"));
    assert_eq!(quota("0/minute").scaled(5_000_000), quota("0/minute"));
    assert_eq!(quota("20/minute").scaled(5_000_000), quota("100/minute"));
    assert_eq!(quota("8 concurrent").scaled(500_000), quota("4 concurrent"));
}

#[test]
fn a_bar_is_encoded_wherever_it_is_in_a_part() {
    for length in 1..60 {
        let plain = "\u{1}".repeat(length);
        assert_eq!(Key::of(["rpm", &plain]).as_str(), format!("rpm|{plain}"));
        for place in 0..length {
            for (special, encoded) in [("|", "%7C"), ("%", "%25")] {
                let (mut part, mut wanted) = (plain.clone(), plain.clone());
                part.replace_range(place..=place, special);
                wanted.replace_range(place..=place, encoded);
                assert_eq!(Key::of(["rpm", &part, "x"]).as_str(), format!("rpm|{wanted}|x"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    #[test]
    fn a_key_can_be_taken_apart_so_different_parts_make_different_keys(
        parts in prop::collection::vec("[ab|%7C25]{0,6}", 1..5),
    ) {
        let key = Key::of(parts.iter().map(String::as_str));
        let apart = key.as_str().split('|').map(|part| part.replace("%7C", "|").replace("%25", "%"));
        prop_assert_eq!(apart.collect::<Vec<_>>(), parts);
    }

    #[test]
    fn a_key_is_its_text_however_long(text in ".{0,80}") {
        let key = Key::from(text.as_str());
        prop_assert_eq!(key.as_str(), &text);
        prop_assert_eq!(key.as_bytes(), text.as_bytes());
        prop_assert_eq!(&key, &Key::from(text.clone()));
        prop_assert_eq!(key.to_string(), text.clone());
        // Found by its text, because it is hashed as its text.
        prop_assert!(HashSet::from([key]).contains(text.as_str()));
    }

    #[test]
    fn a_duration_that_is_added_has_passed(ticks in 0..u64::MAX / 2, nanoseconds in 0..u64::MAX / 64) {
        let (start, duration) = (Timestamp::from_ticks(ticks), Duration::from_nanos(nanoseconds));
        prop_assert_eq!((start + duration).since(start), duration);
    }

    #[test]
    fn no_scale_panics_nor_takes_a_quota_beyond_its_scale(
        amount in any::<u64>(), nanoseconds in 1..u64::MAX, millionths in any::<u64>(),
    ) {
        let window = Duration::from_nanos(nanoseconds).min(Quota::MAX_WINDOW);
        let quota = Quota::new(amount, window).expect("a good quota");
        let scaled = quota.scaled(millionths);
        prop_assert_eq!((scaled.window(), scaled.unit()), (quota.window(), quota.unit()));
        let exact = u128::from(amount) * u128::from(millionths) / 1_000_000;
        let wanted = u64::try_from(exact).unwrap_or(u64::MAX).max(amount.min(1));
        prop_assert_eq!(scaled.amount(), wanted);
    }

    #[test]
    fn shares_are_never_more_than_what_is_shared(
        amount in any::<u64>(), burst in prop::option::of(any::<u64>()), nanoseconds in 1..u64::MAX, among in 1..=u32::MAX,
    ) {
        let window = Duration::from_nanos(nanoseconds).min(Quota::MAX_WINDOW);
        let quota = Quota::new(amount, window).expect("a good quota");
        let quota = burst.and_then(|burst| quota.with_burst(burst).ok()).unwrap_or(quota);
        let share = quota.shared(among.try_into().expect("not zero"));
        prop_assert_eq!((share.window(), share.unit()), (quota.window(), quota.unit()));
        for (share, whole) in [(share.amount(), quota.amount()), (share.burst_size(), quota.burst_size())] {
            prop_assert!(share <= whole);
            prop_assert!(whole < among.into() || u128::from(share) * u128::from(among) <= whole.into());
            prop_assert_eq!(share == 0, whole == 0);
        }
    }
}
