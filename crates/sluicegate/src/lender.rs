//! A store that lends chunks of its quotas.

use std::time::Duration;

use crate::{Charge, Cost, Store, StoreError, Timestamp, accounts::AnyAccount};

/// A store that lends chunks of its quotas, for [`Leased`](crate::Leased) to spend without a call.
///
/// A chunk is charged when it is lent, so whatever its holder spends of it was taken before. The store's books must also
/// withstand time: a token bucket refills while a chunk is out, and its holder could spend the chunk on top of a full
/// bucket. So the account knows the chunks that are out, and is never fuller than its burst less all of them.
/// A chunk of a window ends with its window, in which nothing refills.
pub trait Lender: Store {
    /// Takes the cost of `charge` from its account as a chunk, or `None` if it does not fit.
    ///
    /// The chunk ends after its `life` at the latest, on the store's clock: then the account no longer knows it, and its
    /// units stay charged until they are earned back. The request is on its way when this returns, whether or not the
    /// future is polled. A chunk whose future is dropped is given back. An error means that the chunk may be out
    /// until its end.
    ///
    /// Only a [token bucket](crate::Algorithm::TokenBucket), a [fixed](crate::Algorithm::FixedWindow) and a
    /// [sliding window](crate::Algorithm::SlidingWindow) are lent.
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<Self::Lease>>, StoreError>> + Send + 'static;

    /// Gives back the rest of the chunk that was lent for `charge`. Returns at once, and the store does it later, but before
    /// it decides any request that comes after this.
    ///
    /// A bucket's chunk that has ended gives nothing back, nor does one that was given back before. A window's gives back
    /// to the window that was charged.
    fn give_back(&self, charge: &Charge, lease: Self::Lease, rest: Remainder);

    /// Returns a claim on charges that were paid from a chunk at this time on the store's clock.
    fn claim(&self, taken_at: Timestamp) -> Self::Lease;
}

/// A chunk of a quota, just lent.
#[derive(Clone, Debug)]
pub struct Chunk<L> {
    /// The claim on it.
    pub lease: L,
    /// The time at which it was lent, on the store's clock.
    pub lent_at: Timestamp,
    /// Its end, on the store's clock.
    pub ends: Timestamp,
    /// Its account as it stood before.
    pub account: AnyAccount,
}

/// The rest of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Remainder {
    /// The units that were not spent.
    pub left: Cost,
    /// The latest that a bucket's theoretical arrival time was bound to be by what was left of the chunk over time. It
    /// tells the bucket how much of what was spent it has earned back since.
    pub floor: Timestamp,
}
