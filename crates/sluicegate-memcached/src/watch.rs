//! The clock of a store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluicegate::{ManualClock, SteadyClock, Timestamp};

/// Memcached tells nobody the time, so every instance brings its own: the system's wall clock, in microseconds, or a
/// clock that a test moves. Either may be set; the time never goes back.
#[derive(Debug)]
pub(crate) struct Watch {
    steady: SteadyClock,
    manual: Option<ManualClock>,
}

impl Watch {
    pub(crate) fn new(manual: Option<ManualClock>) -> Self {
        let steady = manual.as_ref().map_or_else(SteadyClock::new, SteadyClock::of);
        Self { steady, manual }
    }

    /// The time now. The wall clock's epoch is the beginning of 2020: the engine's clock, which counts ticks in 64 bits,
    /// then lasts until 2056.
    pub(crate) fn now(&self) -> Timestamp {
        let wall = match &self.manual {
            None => Timestamp::from_ticks(micros().saturating_sub(EPOCH).saturating_mul(TICKS)),
            Some(clock) => clock.wall(),
        };
        self.steady.read(wall)
    }

    /// Adopts another instance's time, if that is later.
    pub(crate) fn heard(&self, at: Timestamp) {
        self.steady.read(at);
    }

    /// For how long Memcached keeps an account that is idle at this time, as it is told: seconds, at least one, or zero
    /// for ever. Never too short: Memcached counts whole seconds, and the first of them is one that has begun.
    pub(crate) fn time_to_live(&self, idle_at: Timestamp, now: Timestamp) -> u64 {
        if self.manual.is_some() {
            // A test's time is not Memcached's.
            return 0;
        }
        let seconds = idle_at.since(now).as_nanos().div_ceil(1_000_000_000) + 1;
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        if seconds <= LONGEST_SPAN {
            return seconds;
        }
        // Beyond 30 days it takes a date, and no later one than 31 bits can tell.
        let date = (micros() / 1_000_000).saturating_add(seconds).saturating_add(SPARE);
        if date > LAST_DATE { 0 } else { date }
    }
}

/// Microseconds since 1970. A clock that is set before it is taken to stand at its beginning: time that lags is safe.
fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The beginning of 2020 in microseconds since 1970.
const EPOCH: u64 = 1_577_836_800_000_000;
/// In a microsecond, of 1/16 ns each.
const TICKS: u64 = 16_000;
/// The longest time that is no date: 30 days, in seconds.
const LONGEST_SPAN: u64 = 30 * 86_400;
/// A date is judged by the server's clock, which may be ahead of ours.
const SPARE: u64 = 3_600;
const LAST_DATE: u64 = i32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_kept_until_it_is_idle_and_at_most_two_seconds_longer() {
        let watch = Watch::new(None);
        let now = watch.now();
        let lives = |duration| watch.time_to_live(now + duration, now);
        assert_eq!(lives(Duration::ZERO), 1);
        assert_eq!(lives(Duration::from_nanos(1)), 2);
        assert_eq!(lives(Duration::from_secs(60)), 61);
        assert_eq!(lives(Duration::from_millis(60_001)), 62);
    }

    #[test]
    fn a_long_life_is_told_as_a_date_and_one_beyond_all_dates_as_none() {
        let watch = Watch::new(None);
        let now = watch.now();
        let day = Duration::from_secs(86_400);
        let today = micros() / 1_000_000;
        let date = watch.time_to_live(now + 40 * day, now);
        assert!((today + 40 * 86_400..today + 41 * 86_400).contains(&date), "{date}");
        assert_eq!(watch.time_to_live(now + 18 * 360 * day, now), 0);
    }
}
