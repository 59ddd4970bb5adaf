//! Bytes, sockets and timers below the protocols.

pub(crate) mod coalesced_write;
pub(crate) mod dormant;
pub(crate) mod idle_timer;
pub(crate) mod interval;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod wake_filter;
