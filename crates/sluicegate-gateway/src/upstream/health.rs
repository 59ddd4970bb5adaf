//! What the whole process knows of one upstream.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use sluicegate_policy::Upstream as Address;

/// What the whole process knows of one upstream: all workers write it, and all read it.
#[derive(Debug)]
pub(crate) struct Health {
    name: String,
    in_flight: Mutex<Vec<InFlight>>,
}

/// How many requests one worker has at one upstream. Only that worker writes it, so that it costs no more than a number
/// of its own; the metrics read it.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<AtomicU64>);

impl Health {
    /// Of an upstream that nobody has asked for anything yet.
    pub(crate) fn new(address: &Address) -> Health {
        Health { name: address.to_string(), in_flight: Mutex::default() }
    }

    /// The upstream's URL.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Requests at the upstream now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).iter().map(InFlight::count).sum()
    }

    /// The part of one more worker.
    pub(super) fn in_flight_of_a_worker(&self) -> InFlight {
        let part = InFlight::default();
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).push(part.clone());
        part
    }
}

impl InFlight {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn add(&self) {
        self.0.store(self.count() + 1, Relaxed);
    }

    pub(super) fn remove(&self) {
        self.0.store(self.count() - 1, Relaxed);
    }
}
