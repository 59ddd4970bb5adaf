//! The pause before the next connection attempt.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Waits that double, each shortened by chance, so that many instances do not come back at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    longest: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { longest: FIRST }
    }

    /// The next wait: between half of the longest so far and all of it.
    pub(super) fn next(&mut self) -> Duration {
        let longest = self.longest;
        self.longest = (longest * 2).min(LAST);
        // The standard library's maps are keyed by the system's random numbers: chance without another dependency.
        let chance = RandomState::new().hash_one(0_u64) % 1_024;
        longest / 2 + longest * u32::try_from(chance).unwrap_or(0) / 2_048
    }
}

const FIRST: Duration = Duration::from_millis(20);
const LAST: Duration = Duration::from_millis(500);
