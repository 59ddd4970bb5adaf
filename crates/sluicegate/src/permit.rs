//! An admitted request whose cost is not final.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use crate::{Algorithm, Balance, Charge, Clock, Cost, MemoryStore, Store, StoreError, Taken, Timestamp};

/// An admitted request whose cost is not final, and its slots of concurrent limits.
///
/// Dropping it gives back the slots and leaves all else charged as estimated; so does a settlement that is
/// cancelled or fails. Hold it until the response is sent: [how to hold it](crate::Decision#holding-what-was-allowed).
#[must_use = "dropping a permit gives back its slots at once"]
pub struct Permit<S: Store> {
    store: Arc<S>,
    charges: SmallVec<[Charge; 2]>,
    taken: Taken<S::Lease>,
    /// Set if anything must be given back.
    holds_slots: bool,
}

impl<S: Store> Permit<S> {
    pub(crate) fn new(store: Arc<S>, charges: &[Charge], taken: Taken<S::Lease>) -> Self {
        let holds_slots = charges.iter().any(|charge| charge.quota.algorithm() == Algorithm::Concurrent);
        Self { store, charges: charges.into(), taken, holds_slots }
    }

    /// The charges, as estimated.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// The balance after each charge, in the charges' order.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.taken.balances
    }

    /// The time of the decision, as [`Taken::at`].
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.taken.at
    }

    /// Replaces the estimates by what was `actual`ly used, index by index, and gives back the slots. Less is a
    /// refund, more is a debt that later requests wait for. Charges beyond the end of `actual` keep their estimates.
    ///
    /// # Errors
    ///
    /// When the store does not answer: the estimates stay charged, and the slots are given back.
    pub async fn settle(mut self, actual: &[Cost]) -> Result<(), StoreError> {
        self.store.settle(&self.charges, self.taken.lease.clone(), actual).await?;
        self.holds_slots = false;
        Ok(())
    }
}

impl<C: Clock> Permit<MemoryStore<C>> {
    /// [`settle`](Self::settle) without a future, for memory never waits.
    pub fn settle_now(mut self, actual: &[Cost]) {
        self.store.settle_now(&self.charges, self.taken.lease, actual);
        self.holds_slots = false;
    }
}

impl<S: Store> Drop for Permit<S> {
    fn drop(&mut self) {
        if self.holds_slots {
            self.store.release(&self.charges, self.taken.lease.clone());
        }
    }
}

impl<S: Store> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("charges", &self.charges)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
