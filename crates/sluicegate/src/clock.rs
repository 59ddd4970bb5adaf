//! Clocks: the system's, or a test's.

mod manual;
mod steady;

use std::{fmt, sync::Arc};

pub use manual::ManualClock;
pub use steady::SteadyClock;

use crate::timestamp::{TICKS_PER_NANOSECOND, Timestamp};

/// Tells a store the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now. It never goes back; a reading that lags is safe (it admits no more than a true one
    /// would), one that runs ahead is not.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The machine's monotonic clock; its epoch is the moment at which it was made.
///
/// Reads the processor's time stamp counter where that is steady, in a third of the time that
/// [`std::time::Instant`] takes. Setting the wall clock does not change it. Its rate was measured once, so it drifts from
/// a clock that NTP keeps by some millionths.
///
/// A counter may stop, or begin anew, while the machine is suspended. Then time lags, and accounts earn back their spending
/// late, never early.
#[derive(Clone)]
pub struct SystemClock {
    clock: quanta::Clock,
    /// The counter's reading at the epoch.
    epoch: u64,
}

impl SystemClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        let clock = quanta::Clock::new();
        let epoch = clock.raw();
        Self { clock, epoch }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        let nanoseconds = self.clock.delta_as_nanos(self.epoch, self.clock.raw());
        // Saturates after 36 years: never later than the true time.
        Timestamp::from_ticks(nanoseconds.saturating_mul(TICKS_PER_NANOSECOND))
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemClock").finish_non_exhaustive()
    }
}
