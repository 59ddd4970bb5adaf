//! A cache of denials, or none.

use std::time::Duration;

use sluicegate::{Charge, Cost, Decision, DenyCache, Lease, ServerId, Store, StoreError, Taken};
use sluicegate_policy::{StoreKind, StoreSettings};

/// A store whose denials are remembered, or asked for each time.
#[derive(Debug)]
pub(crate) enum Denials<S> {
    /// They are remembered for as long as they hold, and not for long.
    Remembered(DenyCache<S>),
    /// The store is asked each time.
    Asked(S),
}

impl<S: Store> Denials<S> {
    pub(crate) fn of(store: S, settings: &StoreSettings) -> Self {
        if !settings.remember_denials {
            return Self::Asked(store);
        }
        let url = &settings.url;
        let cap = if url.kind() == StoreKind::Memcached || url.scheme().ends_with("+cluster") {
            // What it takes in several places it may give back: others are denied in between what is there again soon.
            GIVEN_BACK_BY
        } else {
            // They hold for as long as their wait, unless somebody empties the store, or deletes the account.
            FLUSHED_BY
        };
        Self::Remembered(DenyCache::builder(store).cap(cap).build())
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &S {
        match self {
            Self::Remembered(cache) => cache.store(),
            Self::Asked(store) => store,
        }
    }

    /// Forgets every denial.
    pub(crate) fn clear(&self) {
        match self {
            Self::Remembered(cache) => cache.clear(),
            Self::Asked(_) => {}
        }
    }

    /// The number of denials served from memory.
    pub(crate) fn hits(&self) -> u64 {
        match self {
            Self::Remembered(cache) => cache.hits(),
            Self::Asked(_) => 0,
        }
    }
}

impl<S: Store> Store for Denials<S> {
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        match self {
            Self::Remembered(cache) => cache.take(charges).await,
            Self::Asked(store) => store.take(charges).await,
        }
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        match self {
            Self::Remembered(cache) => cache.settle(charges, lease, actual).await,
            Self::Asked(store) => store.settle(charges, lease, actual).await,
        }
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        match self {
            Self::Remembered(cache) => cache.reset(accounts).await,
            Self::Asked(store) => store.reset(accounts).await,
        }
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        match self {
            Self::Remembered(cache) => cache.release(charges, lease),
            Self::Asked(store) => store.release(charges, lease),
        }
    }

    fn server(&self, charge: &Charge) -> ServerId {
        self.store().server(charge)
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        self.store().servers()
    }
}

/// Far longer than giving back takes, and far shorter than most waits.
const GIVEN_BACK_BY: Duration = Duration::from_millis(250);
/// The maximum time that callers stay denied after the store was emptied. An attacked key costs one call in
/// this time.
const FLUSHED_BY: Duration = Duration::from_secs(5);
