//! Clients that have sent a wrong API key.

use std::{fmt, sync::Arc};

use sluicegate::{Charge, Clock, Cost, Decision, MemoryStore};

/// The clients that have sent this instance a wrong API key, until the limit on wrong keys has forgotten it. Only for them
/// does a right key ask the store, which may be a network away, how many wrong ones they have sent.
///
/// A client that has sent wrong keys only to other instances is not among them. From each instance it can learn about one
/// key whether it is right.
pub(super) struct KeyFailures {
    clients: Arc<MemoryStore<Arc<dyn Clock>>>,
    /// Set if no more are recorded.
    is_complete: bool,
}

impl KeyFailures {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let clients = MemoryStore::builder().max_keys(MOST).clock(clock).build();
        Self { clients: Arc::new(clients), is_complete: false }
    }

    /// The same clients, to whom this adds none.
    pub(super) fn complete(&self) -> Self {
        Self { clients: Arc::clone(&self.clients), is_complete: true }
    }

    /// Records a wrong key of a client.
    pub(super) fn record(&self, failures: &Charge) {
        if self.is_complete {
            return;
        }
        // Takes all that is left, so that the client is remembered for as long as possible from this key on.
        if let Decision::Allow(peeked) = self.clients.take_now(&[failures.clone().cost(Cost::ZERO)]) {
            let left = peeked.balances.iter().map(|balance| balance.remaining).sum::<u64>();
            // If this is denied, another request has just done it.
            let _ = self.clients.take_now(&[failures.clone().cost(left)]);
        }
    }

    /// Returns `true` if a client has sent a wrong key.
    pub(super) fn has_failed(&self, failures: &Charge) -> bool {
        match self.clients.take_now(&[failures.clone().cost(Cost::ZERO)]) {
            Decision::Allow(taken) => taken.balances.iter().any(|balance| !balance.reset_after.is_zero()),
            Decision::Deny(_) => true,
        }
    }
}

impl fmt::Debug for KeyFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFailures").field("clients", &self.clients.len()).finish()
    }
}

/// The maximum of remembered clients. An attacker with more addresses has a limit for each of them anyway.
const MOST: usize = 100_000;
