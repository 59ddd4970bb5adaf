//! A claim on charges that were taken in several places.

use std::sync::Arc;

use super::takers::{Taker, Takers};
use crate::Lease;

/// The claim of a request that a [`Fallback`](super::Fallback) admitted: on what its store took, and on what memory took
/// in its place. `L` is the claim in the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FallbackLease<L>(pub(super) Claim<L>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Claim<L> {
    /// The store took every charge.
    Store(L),
    /// It did not. Behind a pointer, so that the claims of all other requests are small.
    Outage(Arc<OutageLease<L>>),
}

/// The claim of a request of which the store did not take every charge.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct OutageLease<L> {
    /// Present if the store took some.
    pub(super) store: Option<L>,
    pub(super) memory: Lease,
    pub(super) takers: Takers,
}

impl<L> FallbackLease<L> {
    /// Returns the claim on charges of which the store took every one.
    #[inline]
    #[must_use]
    pub const fn of_store(lease: L) -> Self {
        Self(Claim::Store(lease))
    }

    pub(super) fn of_outage(store: Option<L>, memory: Lease, takers: Takers) -> Self {
        Self(Claim::Outage(Arc::new(OutageLease { store, memory, takers })))
    }

    /// Returns the claim in the store, if the store took any charge.
    #[inline]
    #[must_use]
    pub fn store(&self) -> Option<&L> {
        match &self.0 {
            Claim::Store(lease) => Some(lease),
            Claim::Outage(outage) => outage.store.as_ref(),
        }
    }

    /// Returns the claim in memory, if the store did not take every charge.
    #[must_use]
    pub fn memory(&self) -> Option<&Lease> {
        match &self.0 {
            Claim::Store(_) => None,
            Claim::Outage(outage) => Some(&outage.memory),
        }
    }

    /// Returns the taker of the charge at this place.
    #[must_use]
    pub fn taker(&self, place: usize) -> Taker {
        match &self.0 {
            Claim::Store(_) => Taker::Store,
            Claim::Outage(outage) => outage.takers.of(place),
        }
    }
}
