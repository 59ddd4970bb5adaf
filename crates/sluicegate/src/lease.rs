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
    /// The charges that memory took, because the servers that keep their accounts did not answer.
    pub local: LocalCharges,
}

impl Lease {
    /// Returns a claim in a store that took all charges itself.
    #[must_use]
    pub const fn new(id: u64, taken_at: Timestamp) -> Self {
        Self { id, taken_at, local: LocalCharges::NONE }
    }
}

/// The charges of a request for which memory stood in, and the claim on what it took.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct LocalCharges {
    /// A bit for each charge, by its place.
    places: u64,
    pub(crate) id: u64,
    pub(crate) taken_at: Timestamp,
}

impl LocalCharges {
    /// No charge.
    pub const NONE: Self = Self { places: 0, id: 0, taken_at: Timestamp::EPOCH };

    /// The most charges that can be told apart. A request of more charges is decided in one place.
    pub(crate) const MOST: usize = u64::BITS as usize;

    /// Returns all charges of a request.
    pub(crate) const fn all(id: u64, taken_at: Timestamp) -> Self {
        Self { places: u64::MAX, id, taken_at }
    }

    /// Returns the same claim on only the charges at these places, all of them below [`MOST`](Self::MOST).
    pub(crate) fn only(self, places: impl Iterator<Item = usize>) -> Self {
        Self { places: places.fold(0, |all, place| all | 1 << place), ..self }
    }

    /// Returns `true` if there are any.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.places != 0
    }

    /// Returns `true` if memory took every charge of the request.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.places == u64::MAX
    }

    /// Returns `true` if memory took the charge at this place.
    #[must_use]
    pub const fn contains(&self, place: usize) -> bool {
        self.is_all() || place < Self::MOST && self.places >> place & 1 == 1
    }
}

/// The result of a [`Store::take`](crate::Store::take) that admits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Every charge's balance, after it.
    pub balances: Balances,
    /// The claim to settle or release.
    pub lease: Lease,
}
