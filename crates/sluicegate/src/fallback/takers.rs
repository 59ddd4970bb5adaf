//! The takers of a request's charges.

use smallvec::SmallVec;

use super::access::Access;
use crate::{Clock, OutageMode};

/// The taker of a charge.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Taker {
    /// The store.
    Store,
    /// Memory, because the store does not answer.
    Memory,
    /// Nobody: the store does not answer, and the charge passes all the same.
    Nobody,
}

/// The taker of each charge of a request, by its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Takers(SmallVec<[Taker; 8]>);

impl Takers {
    /// Returns the takers of so many charges, none of which may be refused.
    pub(super) fn of_charges<C: Clock>(
        charges: usize,
        access: &Access<'_, C>,
        outage: impl Fn(usize) -> OutageMode,
    ) -> Self {
        let taker = |place| {
            if access.reaches(place) {
                Taker::Store
            } else if outage(place) == OutageMode::Local {
                Taker::Memory
            } else {
                Taker::Nobody
            }
        };
        Self((0..charges).map(taker).collect())
    }

    pub(super) fn of(&self, place: usize) -> Taker {
        self.0.get(place).copied().unwrap_or(Taker::Nobody)
    }

    /// Returns the places that this one takes.
    pub(super) fn places(&self, taker: Taker) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(move |place| self.0[*place] == taker)
    }

    /// Returns those of the charges, or of their costs, that the store takes.
    pub(super) fn of_store<T: Clone>(&self, of_charges: &[T]) -> SmallVec<[T; 4]> {
        self.places(Taker::Store).filter_map(|place| of_charges.get(place).cloned()).collect()
    }
}
