//! A claim on charges that were paid from chunks.

use std::sync::Arc;

use smallvec::SmallVec;

use super::places::Places;
use crate::Timestamp;

/// The claim of a request that a [`Leased`](super::Leased) store admitted: on what its store took, and on what chunks
/// paid. `L` is the claim in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeasedLease<L>(pub(super) Claim<L>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Claim<L> {
    /// The store took every charge.
    Store(L),
    /// Chunks paid some. Behind a pointer, so that the claims of all other requests are small.
    Chunks(Arc<Paid<L>>),
}

/// The claim of a request of which chunks paid some charges.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Paid<L> {
    /// Present if the store took the others.
    pub(super) store: Option<L>,
    pub(super) chunks: L,
    /// The time at which chunks paid, on the store's clock.
    pub(super) at: Timestamp,
    pub(super) places: Places,
}

impl<L> LeasedLease<L> {
    /// Returns the claim on charges of which the store took every one.
    #[inline]
    #[must_use]
    pub const fn of_store(lease: L) -> Self {
        Self(Claim::Store(lease))
    }

    pub(super) fn of_chunks(store: Option<L>, (chunks, at): (L, Timestamp), places: Places) -> Self {
        Self(Claim::Chunks(Arc::new(Paid { store, chunks, at, places })))
    }

    /// Returns the claim on the charges that the store took, if it took any.
    #[inline]
    #[must_use]
    pub fn store(&self) -> Option<&L> {
        match &self.0 {
            Claim::Store(lease) => Some(lease),
            Claim::Chunks(paid) => paid.store.as_ref(),
        }
    }

    /// The claim on the charges that the store took, if it took any.
    #[must_use]
    pub fn into_store(self) -> Option<L>
    where
        L: Clone,
    {
        match self.0 {
            Claim::Store(lease) => Some(lease),
            Claim::Chunks(paid) => paid.store.clone(),
        }
    }

    /// Returns the claim on the charges that chunks paid, if they paid any.
    #[must_use]
    pub fn chunks(&self) -> Option<&L> {
        match &self.0 {
            Claim::Store(_) => None,
            Claim::Chunks(paid) => Some(&paid.chunks),
        }
    }
}

impl<L> Paid<L> {
    /// Those of the items, one for each charge, whose charges chunks paid.
    pub(super) fn of_chunks<T: Clone>(&self, items: &[T]) -> SmallVec<[T; 4]> {
        pick(items, |place| self.places.contains(place))
    }

    /// The others.
    pub(super) fn of_store<T: Clone>(&self, items: &[T]) -> SmallVec<[T; 4]> {
        pick(items, |place| !self.places.contains(place))
    }
}

fn pick<T: Clone>(items: &[T], which: impl Fn(usize) -> bool) -> SmallVec<[T; 4]> {
    items.iter().enumerate().filter(|(place, _)| which(*place)).map(|(_, item)| item.clone()).collect()
}
