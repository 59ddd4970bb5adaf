//! The counters of a fallback.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::OutageMode;

/// Counters of requests, for people to watch. No decision depends on them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    decided_locally: AtomicU64,
    allowed: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    /// Counts a request that was answered by this policy.
    pub(super) fn count(&self, outage: OutageMode) {
        self.of(outage).fetch_add(1, Relaxed);
    }

    /// The requests that were answered by this policy.
    pub(super) fn answered(&self, outage: OutageMode) -> u64 {
        self.of(outage).load(Relaxed)
    }

    fn of(&self, outage: OutageMode) -> &AtomicU64 {
        match outage {
            OutageMode::Local => &self.decided_locally,
            OutageMode::Allow => &self.allowed,
            OutageMode::Deny => &self.refused,
        }
    }
}
