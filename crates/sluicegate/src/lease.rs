//! An admitted request's claim in a store.

use crate::{Balances, Timestamp};

/// An admitted request's claim in a store: which slots of concurrent limits are its own, and when its charges
/// were taken, so that a refund goes to the window that was charged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lease {
    /// Tells this claim's slots from all others in the same store.
    pub id: u64,
    /// The time at which the charges were taken, on the store's clock.
    pub taken_at: Timestamp,
}

impl Lease {
    /// Returns the claim of this number on what was taken then.
    #[must_use]
    pub const fn new(id: u64, taken_at: Timestamp) -> Self {
        Self { id, taken_at }
    }
}

/// The result of a [`Store::take`](crate::Store::take) that admits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken<L = Lease> {
    /// Every charge's balance, after it.
    pub balances: Balances,
    /// The claim to settle or release.
    pub lease: L,
    /// The time of the decision, on the clock by which it was made: the store's, unless something before the store
    /// decided.
    pub at: Timestamp,
}

impl<L> Taken<L> {
    /// Returns the same result with the claim of a store around the one that gave this.
    #[inline]
    pub fn map_lease<M>(self, wrap: impl FnOnce(L) -> M) -> Taken<M> {
        Taken { balances: self.balances, lease: wrap(self.lease), at: self.at }
    }
}
