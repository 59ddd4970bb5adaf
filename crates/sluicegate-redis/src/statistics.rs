//! Statistics of a store.

use std::sync::atomic::AtomicU64;

/// Counters and gauges of a store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Takes that were sent to Redis.
    pub takes: u64,
    /// Calls of the script. Many callers share a call, so there are far fewer of them than takes.
    pub round_trips: u64,
    /// Settlements that did not reach Redis in time. Their charges stay at the estimate.
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
