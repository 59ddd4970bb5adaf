//! Lending what the store behind a cache lends.

use std::time::Duration;

use super::{DenyCache, HashedCharges};
use crate::{Backend, Charge, Chunk, Clock, Lender, Remainder, StoreError, Timestamp};

impl<S: Lender + Backend, C: Clock> Lender for DenyCache<S, C> {
    /// Denials hold: others who spend only make them longer.
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<S::Lease>>, StoreError>> + Send + 'static {
        self.store.lend(charge, life)
    }

    fn give_back(&self, charge: &Charge, lease: S::Lease, rest: Remainder) {
        self.store.give_back(charge, lease, rest);
        if self.table.has_room() {
            // The store decides what comes later after this.
            let charges = std::slice::from_ref(charge);
            HashedCharges::of(charges, &self.secret, &self.epochs).end_epochs(&self.epochs, |_, _| true);
        }
    }

    fn claim(&self, taken_at: Timestamp) -> S::Lease {
        self.store.claim(taken_at)
    }
}
