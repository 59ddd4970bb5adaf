//! The time by which Redis decides.

use sluicegate::ManualClock;
use sluicegate_remote::{
    WallClock,
    unix_time::{micros, timestamp},
};

/// Redis' own time, or a test's, made one that never goes back: the servers' clocks may be set, and a replica that is
/// promoted has another one.
///
/// The script decides by Redis' clock, but by no earlier time than it is told. So all accounts, on whichever server of a
/// cluster, see one time, and it is the latest that any of their servers has told, plus what has passed since.
pub(crate) struct ServerTime(WallClock);

impl ServerTime {
    pub(crate) fn new(manual: Option<ManualClock>) -> Self {
        Self(WallClock::new(manual))
    }

    /// The script's argument: the least that the time is by now, in microseconds since 1970; or `=` and a test's time.
    pub(crate) fn argument(&self) -> String {
        if self.0.is_manual() {
            format!("={}", micros(self.0.now()))
        } else {
            micros(self.0.least()).to_string()
        }
    }

    /// The script has decided by this time.
    pub(crate) fn heard(&self, now: u64) {
        self.0.observe(timestamp(now));
    }
}
