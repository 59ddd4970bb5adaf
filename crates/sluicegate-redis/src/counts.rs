//! Counters of a store.

use std::sync::atomic::AtomicU64;

/// Counters and gauges of a store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Takes that were asked of Redis.
    pub takes: u64,
    /// Calls of the script: with many callers far fewer than takes, for they share calls.
    pub round_trips: u64,
    /// Settlements that could not be carried to Redis in time: what they were about stays charged as estimated.
    pub lost_settlements: u64,
    /// Leases of this instance that hold slots of concurrent limits.
    pub live_leases: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) takes: AtomicU64,
    pub(crate) round_trips: AtomicU64,
    pub(crate) lost_settlements: AtomicU64,
}
