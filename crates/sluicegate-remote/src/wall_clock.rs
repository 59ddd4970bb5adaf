//! The clock of a remote store.

use sluicegate::{ManualClock, SteadyClock, Timestamp};

use crate::unix_time;

/// The wall clock by which a remote store decides, made one that never goes back.
///
/// It is the clock of the servers, or this machine's where the servers tell no time. Any of them may be set, and a server
/// that takes over from another has a clock of its own. This one shows the latest time that it has observed, plus what has
/// passed since. Tests put a clock of their own in its place.
#[derive(Debug)]
pub struct WallClock {
    steady: SteadyClock,
    manual: Option<ManualClock>,
}

impl WallClock {
    /// Returns the system's clock, or a test's.
    #[must_use]
    pub fn new(manual: Option<ManualClock>) -> Self {
        let steady = manual.as_ref().map_or_else(SteadyClock::new, SteadyClock::of);
        Self { steady, manual }
    }

    /// Returns the time now: by this machine's clock or a test's, and no earlier than any time before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let system = || unix_time::timestamp(unix_time::micros_now());
        self.steady.read(self.manual.as_ref().map_or_else(system, ManualClock::wall))
    }

    /// Adopts the time of a server or of another instance, if it is later.
    #[inline]
    pub fn observe(&self, at: Timestamp) {
        self.steady.read(at);
    }

    /// Returns the earliest time that it can be now, by the observations alone.
    #[inline]
    #[must_use]
    pub fn least(&self) -> Timestamp {
        self.steady.least()
    }

    /// Returns `true` if a test moves this clock.
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        self.manual.is_some()
    }
}
