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
    /// The charges that were not taken there, because the servers that keep their accounts did not answer.
    pub local: LocalCharges,
}

impl Lease {
    /// A claim on a store that took all charges itself.
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
    /// None of them.
    pub const NONE: Self = Self { places: 0, id: 0, taken_at: Timestamp::EPOCH };

    /// As many as can be told apart from those that the store took. A request of more charges is decided in one place.
    pub(crate) const MOST: usize = u64::BITS as usize;

    /// All of a request's charges.
    pub(crate) const fn all(id: u64, taken_at: Timestamp) -> Self {
        Self { places: u64::MAX, id, taken_at }
    }

    /// The same claim, on the charges at these places only, all of them below [`MOST`](Self::MOST).
    pub(crate) fn only(self, places: impl Iterator<Item = usize>) -> Self {
        Self { places: places.fold(0, |all, place| all | 1 << place), ..self }
    }

    /// Whether there are any.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.places != 0
    }

    /// Whether it was every charge of the request, however many there are.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.places == u64::MAX
    }

    /// Whether the charge at this place is one of them.
    #[must_use]
    pub const fn contains(&self, place: usize) -> bool {
        self.is_all() || place < Self::MOST && self.places >> place & 1 == 1
    }
}

/// What [`Store::take`](crate::Store::take) gives when it admits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Every charge's balance, after it.
    pub balances: Balances,
    /// The claim to settle or release.
    pub lease: Lease,
}
