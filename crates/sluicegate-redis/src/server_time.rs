//! The time by which Redis decides.

use sluicegate::{ManualClock, SteadyClock};

use crate::micros::{micros, timestamp};

/// Redis' own time, or a test's, made one that never goes back: the servers' clocks may be set, and a replica that is
/// promoted has another one.
///
/// The script decides by Redis' clock, but by no earlier time than it is told. So all accounts, on whichever server of a
/// cluster, see one time, and it is the latest that any of their servers has told, plus what has passed since.
pub(crate) struct ServerTime {
    steady: SteadyClock,
    manual: Option<ManualClock>,
}

impl ServerTime {
    pub(crate) fn new(manual: Option<ManualClock>) -> Self {
        let steady = manual.as_ref().map_or_else(SteadyClock::new, SteadyClock::of);
        Self { steady, manual }
    }

    /// The script's argument: the least that the time is by now, in microseconds since 1970; or `=` and a test's time.
    pub(crate) fn argument(&self) -> String {
        match &self.manual {
            None => micros(self.steady.least()).to_string(),
            Some(clock) => format!("={}", micros(self.steady.read(clock.wall()))),
        }
    }

    /// The script has decided by this time.
    pub(crate) fn heard(&self, now: u64) {
        self.steady.read(timestamp(now));
    }
}
