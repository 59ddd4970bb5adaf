//! The time that Memcached keeps an account.

use sluicegate::Timestamp;
use sluicegate_remote::{WallClock, unix_time::micros_now};

/// Returns the time that Memcached keeps an account that is idle at this time, as it is told: seconds, at least one, or
/// zero for ever. Never too short: Memcached counts whole seconds, and the first of them is one that has begun.
pub(crate) fn time_to_live(clock: &WallClock, idle_at: Timestamp, now: Timestamp) -> u64 {
    if clock.is_manual() {
        // A test's time is not Memcached's.
        return 0;
    }
    let seconds = idle_at.since(now).as_nanos().div_ceil(1_000_000_000) + 1;
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    if seconds <= LONGEST_SPAN {
        return seconds;
    }
    // Beyond 30 days it takes a date, and no later one than 31 bits can tell.
    let date = (micros_now() / 1_000_000).saturating_add(seconds).saturating_add(SPARE);
    if date > LAST_DATE { 0 } else { date }
}

/// The longest time that is no date: 30 days, in seconds.
const LONGEST_SPAN: u64 = 30 * 86_400;
/// A date is judged by the server's clock, which may be ahead of ours.
const SPARE: u64 = 3_600;
const LAST_DATE: u64 = i32::MAX as u64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_account_is_kept_until_it_is_idle_and_at_most_two_seconds_longer() {
        let clock = WallClock::new(None);
        let now = clock.now();
        let lives = |duration| time_to_live(&clock, now + duration, now);
        assert_eq!(lives(Duration::ZERO), 1);
        assert_eq!(lives(Duration::from_nanos(1)), 2);
        assert_eq!(lives(Duration::from_secs(60)), 61);
        assert_eq!(lives(Duration::from_millis(60_001)), 62);
    }

    #[test]
    fn a_long_life_is_told_as_a_date_and_one_beyond_all_dates_as_none() {
        let clock = WallClock::new(None);
        let now = clock.now();
        let day = Duration::from_secs(86_400);
        let today = micros_now() / 1_000_000;
        let date = time_to_live(&clock, now + 40 * day, now);
        assert!((today + 40 * 86_400..today + 41 * 86_400).contains(&date), "{date}");
        assert_eq!(time_to_live(&clock, now + 18 * 360 * day, now), 0);
    }
}
