//! The counters of a fallback.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Outage;

/// Counters of requests, for people to watch. No decision depends on them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    decided_locally: AtomicU64,
    allowed: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    /// Counts a request that was answered by this policy.
    pub(super) fn count(&self, outage: Outage) {
        self.of(outage).fetch_add(1, Relaxed);
    }

    /// The requests that were answered by this policy.
    pub(super) fn answered(&self, outage: Outage) -> u64 {
        self.of(outage).load(Relaxed)
    }

    fn of(&self, outage: Outage) -> &AtomicU64 {
        match outage {
            Outage::Local => &self.decided_locally,
            Outage::Allow => &self.allowed,
            Outage::Deny => &self.refused,
        }
    }
}
