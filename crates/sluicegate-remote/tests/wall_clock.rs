//! The clock of a remote store.

use std::time::Duration;

use sluicegate::{ManualClock, Timestamp};
use sluicegate_remote::{WallClock, unix_time};

#[test]
fn microseconds_since_1970_and_back_are_the_same() {
    for micros in [1_577_836_800_000_000, 1_577_836_800_000_001, 1_800_000_000_123_456] {
        assert_eq!(unix_time::micros(unix_time::timestamp(micros)), micros);
    }
    // Before 2020 is 2020, and beyond the end of the engine's clock is its end.
    assert_eq!(unix_time::timestamp(0), Timestamp::EPOCH);
    assert_eq!(unix_time::timestamp(u64::MAX), Timestamp::from_ticks(u64::MAX));
    // A fraction of a microsecond is rounded down.
    let later = Timestamp::EPOCH + Duration::from_nanos(1_999);
    assert_eq!(unix_time::micros(later), 1_577_836_800_000_001);
}

#[test]
fn a_clock_that_is_set_back_goes_on() {
    let test = ManualClock::new();
    test.advance(Duration::from_secs(60));
    let clock = WallClock::new(Some(test.clone()));
    assert!(clock.is_manual());
    let before = clock.now();
    test.set_back(Duration::from_secs(30));
    test.advance(Duration::from_secs(1));
    assert_eq!(clock.now(), before + Duration::from_secs(1));
}

#[test]
fn a_later_time_of_a_server_is_adopted_and_an_earlier_one_is_not() {
    let test = ManualClock::new();
    let clock = WallClock::new(Some(test.clone()));
    let ahead = clock.now() + Duration::from_secs(60);
    clock.observe(ahead);
    clock.observe(Timestamp::EPOCH);
    assert_eq!((clock.now(), clock.least()), (ahead, ahead));
    test.advance(Duration::from_secs(1));
    assert_eq!(clock.now(), ahead + Duration::from_secs(1));
}

#[test]
fn the_least_time_goes_by_what_was_observed_and_not_by_this_machine() {
    let clock = WallClock::new(None);
    assert!(!clock.is_manual());
    assert!(clock.least() < Timestamp::EPOCH + Duration::from_secs(3_600));
    let now = clock.now();
    assert!(clock.least() >= now && clock.now() >= now);
}
