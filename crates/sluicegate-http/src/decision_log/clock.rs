//! The time of the log.

use std::{fmt, sync::Arc, time::SystemTime};

use sluicegate::{Clock, SystemClock, Timestamp};

use super::Time;

/// The time of the log: the clock of a store in memory, set once to the calendar.
///
/// Decisions of such a store are logged with the very times at which it made them. A store elsewhere has a clock of its own, so
/// its decisions are logged with this machine's time at which they had come.
#[derive(Clone)]
pub struct LogClock {
    clock: Arc<dyn Clock>,
    /// The calendar's time at the clock's epoch.
    epoch: u64,
    is_the_stores: bool,
}

impl LogClock {
    /// The clock of a store in memory, which shows `calendar` now.
    #[must_use]
    pub fn of_store(clock: impl Clock, calendar: SystemTime) -> Self {
        Self::set(clock, calendar, true)
    }

    /// A clock beside a store elsewhere.
    #[must_use]
    pub fn beside_store() -> Self {
        Self::set(SystemClock::new(), SystemTime::now(), false)
    }

    fn set(clock: impl Clock, calendar: SystemTime, is_the_stores: bool) -> Self {
        let passed = nanoseconds(clock.now());
        let epoch = Time::from(calendar).nanoseconds().saturating_sub(passed);
        Self { clock: Arc::new(clock), epoch, is_the_stores }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.time(self.clock.now())
    }

    /// The time of a decision that the store made at this time of its own.
    pub(super) fn of(&self, decided: Timestamp) -> Time {
        if self.is_the_stores { self.time(decided) } else { self.now() }
    }

    /// The nanoseconds from one decision to a later one.
    pub(super) fn between(&self, earlier: Time, later: Timestamp) -> u64 {
        if self.is_the_stores {
            self.time(later).nanoseconds().saturating_sub(earlier.nanoseconds())
        } else {
            0
        }
    }

    fn time(&self, at: Timestamp) -> Time {
        Time::from_nanoseconds(self.epoch.saturating_add(nanoseconds(at)))
    }
}

impl fmt::Debug for LogClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogClock").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Nanoseconds since the clock's epoch.
const fn nanoseconds(at: Timestamp) -> u64 {
    at.ticks() / TICKS_PER_NANOSECOND
}

const TICKS_PER_NANOSECOND: u64 = 16;
