//! The counters of a store that spends chunks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Unit;

/// Counters for people to watch. No decision depends on them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    decided: AtomicU64,
    lent: AtomicU64,
    expired: [AtomicU64; Unit::ALL.len()],
}

impl Counters {
    /// Counts a request that chunks paid all of.
    pub(super) fn decided(&self) {
        self.decided.fetch_add(1, Relaxed);
    }

    /// Counts a chunk.
    pub(super) fn lent(&self) {
        self.lent.fetch_add(1, Relaxed);
    }

    /// Counts units that were charged and not spent.
    pub(super) fn expired(&self, unit: Unit, units: u64) {
        self.expired[unit as usize].fetch_add(units, Relaxed);
    }

    pub(super) fn statistics(&self) -> LeasedStatistics {
        let (decided, chunks) = (self.decided.load(Relaxed), self.lent.load(Relaxed));
        let expired = Unit::ALL.map(|unit| (unit, self.expired[unit as usize].load(Relaxed)));
        LeasedStatistics { decided, chunks, expired, ..LeasedStatistics::default() }
    }
}

/// Statistics of a [`Leased`](crate::Leased) store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeasedStatistics {
    /// Requests that chunks paid all of, without a call.
    pub decided: u64,
    /// Chunks taken so far.
    pub chunks: u64,
    /// Chunks held now.
    pub live_chunks: usize,
    /// Units that lie in the chunks held now.
    pub idle: [(Unit, u64); Unit::ALL.len()],
    /// Units of chunks that ended unspent so far. They stay charged.
    pub expired: [(Unit, u64); Unit::ALL.len()],
}

impl Default for LeasedStatistics {
    fn default() -> Self {
        let none = Unit::ALL.map(|unit| (unit, 0));
        Self { decided: 0, chunks: 0, live_chunks: 0, idle: none, expired: none }
    }
}
