//! Quotas that a program writes as constants.

use std::time::Duration;

use proptest::prelude::*;
use sluicegate::{Algorithm, Charge, ManualClock, MemoryStore, Quota, Unit};

const SECOND: Quota = Quota::per_second(50).burst(100);
const MINUTE: Quota = Quota::per_minute(10);
const HOUR: Quota = Quota::per_hour(1_000).of(Unit::Items);
const DAY: Quota = Quota::per_day(20_000_000_000).of(Unit::Usd).fixed_window();
const FIVE_MINUTES: Quota = Quota::per(100, Duration::from_secs(300)).unwrap();
const LOG: Quota = Quota::per_minute(5).sliding_log().unwrap();

#[test]
fn a_constant_is_the_quota_that_its_text_names() {
    let quota = |text: &str| text.parse::<Quota>().expect("a good quota");
    let kept = |text: &str, algorithm| quota(text).with_algorithm(algorithm).expect("no burst of its own");
    assert_eq!(SECOND, quota("50/second burst 100"));
    assert_eq!(MINUTE, quota("10/minute"));
    assert_eq!(HOUR, quota("1000 items/hour"));
    assert_eq!(DAY, kept("20 usd/day", Algorithm::FixedWindow));
    assert_eq!(FIVE_MINUTES, quota("100 per 5 minutes"));
    assert_eq!(LOG, kept("5/minute", Algorithm::SlidingLog));
    assert_eq!(MINUTE.sliding_window(), kept("10/minute", Algorithm::SlidingWindow));
}

#[test]
fn only_a_token_bucket_has_a_burst_of_its_own() {
    assert_eq!(SECOND.fixed_window(), Quota::per_second(50).fixed_window());
    assert_eq!(SECOND.sliding_window(), Quota::per_second(50).sliding_window());
    assert_eq!(SECOND.sliding_log(), Quota::per_second(50).sliding_log());
    assert_eq!(DAY.burst(3), DAY);
}

#[test]
fn slots_have_no_window_no_burst_and_no_other_unit() {
    let slots = Quota::concurrent(300);
    assert_eq!(slots.burst(600), slots);
    assert_eq!(slots.of(Unit::Tokens), slots);
    assert_eq!(slots.fixed_window(), slots);
    assert_eq!(slots.sliding_window(), slots);
    assert_eq!(slots.sliding_log(), Some(slots));
    assert_eq!(MINUTE.of(Unit::Concurrent), MINUTE);
}

#[test]
fn a_window_or_a_log_that_cannot_be_is_none() {
    assert_eq!(Quota::per(1, Duration::ZERO), None);
    assert_eq!(Quota::per(1, Quota::MAX_WINDOW + Duration::from_nanos(1)), None);
    assert_eq!(Quota::per(1, Duration::MAX), None);
    assert!(Quota::per(1, Quota::MAX_WINDOW).is_some());
    assert!(Quota::per_hour(Quota::MAX_LOG).sliding_log().is_some());
    assert_eq!(Quota::per_hour(Quota::MAX_LOG + 1).sliding_log(), None);
}

#[test]
fn a_quota_of_zero_and_a_burst_of_zero_admit_nothing() {
    let store = MemoryStore::builder().clock(ManualClock::new()).build();
    for quota in [Quota::per_second(0), Quota::per_day(0).fixed_window(), Quota::per_minute(10).burst(0)] {
        let denial = store.take_now(&[Charge::new("alice", quota)]);
        assert_eq!(denial.denial().and_then(sluicegate::Denial::retry_after), None, "{quota:?}");
        assert!(!denial.is_allowed(), "{quota:?}");
    }
}

proptest! {
    #[test]
    fn any_burst_is_what_was_asked_or_the_largest_that_comes_back_in_time(
        amount in prop_oneof![0..1_000_u64, any::<u64>()],
        nanoseconds in prop_oneof![1..1_000_u64, any::<u64>()],
        burst in any::<u64>(),
    ) {
        let window = Duration::from_nanos(nanoseconds).min(Quota::MAX_WINDOW);
        let quota = Quota::per(amount, window).expect("a good window");
        prop_assert_eq!((quota.amount(), quota.window()), (amount, window));
        let bursty = quota.burst(burst);
        match quota.with_burst(burst) {
            Ok(exact) => prop_assert_eq!(bursty, exact),
            Err(_) => {
                prop_assert!(bursty.burst_size() < burst);
                prop_assert_eq!(Ok(bursty), quota.with_burst(bursty.burst_size()));
                // Half a percent more is refused.
                let more = bursty.burst_size() + bursty.burst_size() / 200 + 1;
                prop_assert!(quota.with_burst(more).is_err());
            }
        }
        prop_assert_eq!(bursty.fixed_window(), quota.fixed_window());
    }

    #[test]
    fn every_number_makes_a_quota_per_period(amount in any::<u64>()) {
        for (quota, seconds) in [
            (Quota::per_second(amount), 1),
            (Quota::per_minute(amount), 60),
            (Quota::per_hour(amount), 3_600),
            (Quota::per_day(amount), 86_400),
        ] {
            prop_assert_eq!(Ok(quota), Quota::new(amount, Duration::from_secs(seconds)));
            prop_assert_eq!(quota.burst_size(), amount);
        }
    }
}
