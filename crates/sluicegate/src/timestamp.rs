//! A moment on a store's clock.

use std::{ops::Add, time::Duration};

/// A moment on a store's clock: time since the clock's epoch, in ticks of 1/16 ns.
///
/// A tick is that fine because a quota of 100 million tokens a minute refills one every 600 ns: counted in
/// whole nanoseconds, rounding alone would cost such a quota up to 0.2 %. 64 bits last 36 years.
/// Arithmetic saturates: a time past the end of the clock is the end of the clock.
///
/// ```
/// use sluicegate::Timestamp;
/// use std::time::Duration;
///
/// let later = Timestamp::EPOCH + Duration::from_secs(3);
/// assert_eq!(later.since(Timestamp::EPOCH), Duration::from_secs(3));
/// assert_eq!(Timestamp::EPOCH.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The clock's beginning.
    pub const EPOCH: Self = Self(0);

    /// The moment so many ticks of 1/16 ns after the epoch.
    #[must_use]
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Ticks of 1/16 ns since the epoch.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here, rounded up to whole nanoseconds; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks(duration)))
    }
}

/// A duration in ticks; the longest that fits when it is longer.
pub(crate) const fn ticks(duration: Duration) -> u64 {
    match duration.as_secs().checked_mul(TICKS_PER_SECOND) {
        Some(ticks) => ticks.saturating_add(duration.subsec_nanos() as u64 * TICKS_PER_NANOSECOND),
        None => u64::MAX,
    }
}

/// Ticks as a duration, rounded up: a client that waits a nanosecond less than told is too early.
pub(crate) const fn duration(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.div_ceil(TICKS_PER_NANOSECOND))
}

pub(crate) const TICKS_PER_NANOSECOND: u64 = 16;
pub(crate) const TICKS_PER_SECOND: u64 = 1_000_000_000 * TICKS_PER_NANOSECOND;
