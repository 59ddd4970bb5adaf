//! What an admitted request holds in a store.

use crate::{Balances, Timestamp};

/// An admitted request's claim in a store: which slots of concurrent limits are its own, and when its charges
/// were taken, so that a refund goes to the window that was charged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lease {
    /// Tells this claim's slots from all others in the same store.
    pub id: u64,
    /// When the charges were taken, on the store's clock.
    pub taken_at: Timestamp,
    /// Whether memory stood in for a store that did not answer.
    pub local: bool,
}

/// What [`Store::take`](crate::Store::take) gives when it admits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Every charge's balance, after it.
    pub balances: Balances,
    /// The claim to settle or release.
    pub lease: Lease,
}
