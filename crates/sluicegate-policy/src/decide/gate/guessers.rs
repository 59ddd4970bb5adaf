//! Clients that may be guessing API keys.

use std::{fmt, sync::Arc};

use sluicegate::{Charge, Clock, Cost, Decision, MemoryStore};

/// The clients that have shown this instance a wrong API key, for as long as the limit on that takes to forget all of
/// it. Only for them does a right key ask the store, which may be a network away, how many wrong ones they have shown.
///
/// A client that has shown wrong keys to other instances alone is not among them: of each instance it learns by one
/// key, until the limit has forgotten that, whether it is right.
pub(super) struct Guessers(MemoryStore<Arc<dyn Clock>>);

impl Guessers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(MemoryStore::builder().max_keys(MOST).clock(clock).build())
    }

    /// Remembers a client that has shown a wrong key.
    pub(super) fn remember(&self, failures: &Charge) {
        // By taking all that is left, so that it is remembered for as long as can be from this key on.
        if let Decision::Allow(peeked) = self.0.take_now(&[failures.clone().cost(Cost::ZERO)]) {
            let left = peeked.balances.iter().map(|balance| balance.remaining).sum::<u64>();
            // Where this is denied, another request has just done it.
            let _ = self.0.take_now(&[failures.clone().cost(left)]);
        }
    }

    /// Returns `true` if a client has sent a wrong key.
    pub(super) fn suspect(&self, failures: &Charge) -> bool {
        match self.0.take_now(&[failures.clone().cost(Cost::ZERO)]) {
            Decision::Allow(taken) => taken.balances.iter().any(|balance| !balance.reset_after.is_zero()),
            Decision::Deny(_) => true,
        }
    }
}

impl fmt::Debug for Guessers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guessers").field("clients", &self.0.len()).finish()
    }
}

/// More than that guess at once from as many addresses, and each has its own limit.
const MOST: usize = 100_000;
