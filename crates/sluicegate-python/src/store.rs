//! The store of a limiter, which a forked process opens anew.

use std::{
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
};

use pyo3::prelude::*;
use sluicegate::{Charge, Cost, Decision, OutageMode, Resilient, StoreError, Taken};
use sluicegate_policy::{StoreKind, StoreSettings};
use sluicegate_stores::{AnyStore, StoreStatistics};

use crate::{clock::AnyClock, fork::Own, transitions};

/// The store of a limiter. One elsewhere is opened anew in a forked process, which has none of its parent's threads.
pub(crate) enum Store {
    /// In memory, which a forked process has a copy of.
    Here(AnyStore<AnyClock>),
    /// Elsewhere.
    Elsewhere(Reopened),
}

/// A store elsewhere, as often as this process needs to open it.
pub(crate) struct Reopened {
    settings: StoreSettings,
    opened: RwLock<Arc<Own<Patient>>>,
}

/// A store, which waits at its end for a thread that may have something left to say.
struct Patient(Option<AnyStore<AnyClock>>);

impl Store {
    pub(crate) fn open(settings: &StoreSettings, clock: AnyClock) -> Result<Self, StoreError> {
        if settings.url.kind() == StoreKind::Memory {
            return Ok(Self::Here(AnyStore::open_with_clock(settings, clock, transitions::note)?));
        }
        let opened = RwLock::new(open(settings, clock)?);
        Ok(Self::Elsewhere(Reopened { settings: settings.clone(), opened }))
    }

    /// Returns `true` if a result may take time.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Elsewhere(_))
    }

    /// Its statistics in this process.
    pub(crate) fn statistics(&self) -> StoreStatistics {
        match self {
            Self::Here(store) => store.statistics(),
            Self::Elsewhere(store) => match store.current() {
                Ok(store) => store.statistics(),
                Err(_) => StoreStatistics::default(),
            },
        }
    }

    /// Forgets all accounts.
    pub(crate) async fn clear(&self) -> Result<(), StoreError> {
        match self {
            Self::Here(store) => store.clear().await,
            Self::Elsewhere(store) => store.current()?.clear().await,
        }
    }

    /// Asks the store once for everything that a request needs of it.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Here(store) => store.check().await,
            Self::Elsewhere(store) => store.current()?.check().await,
        }
    }
}

impl Reopened {
    /// The store as this process has opened it.
    fn current(&self) -> Result<Arc<Own<Patient>>, StoreError> {
        let opened = Arc::clone(&self.opened.read().unwrap_or_else(PoisonError::into_inner));
        if opened.is_ours() {
            return Ok(opened);
        }
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if !opened.is_ours() {
            *opened = open(&self.settings, AnyClock::system())?;
        }
        Ok(Arc::clone(&opened))
    }
}

fn open(settings: &StoreSettings, clock: AnyClock) -> Result<Arc<Own<Patient>>, StoreError> {
    let store = AnyStore::open_with_clock(settings, clock, transitions::note)?;
    Ok(Arc::new(Own::new(Patient(Some(store)))))
}

impl Deref for Patient {
    type Target = AnyStore<AnyClock>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("a store is there until it is dropped")
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        let store = self.0.take();
        Python::attach(|py| py.detach(|| drop(store)));
    }
}

impl sluicegate::Store for Store {
    type Lease = <AnyStore<AnyClock> as sluicegate::Store>::Lease;

    #[inline]
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        match self {
            Self::Here(store) => store.take(charges).await,
            Self::Elsewhere(store) => store.current()?.take(charges).await,
        }
    }

    async fn settle(
        &self,
        charges: &[Charge],
        lease: Self::Lease,
        actual: &[Cost],
    ) -> Result<(), StoreError> {
        match self {
            Self::Here(store) => store.settle(charges, lease, actual).await,
            Self::Elsewhere(store) => store.current()?.settle(charges, lease, actual).await,
        }
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        match self {
            Self::Here(store) => store.reset(accounts).await,
            Self::Elsewhere(store) => store.current()?.reset(accounts).await,
        }
    }

    fn release(&self, charges: &[Charge], lease: Self::Lease) {
        match self {
            Self::Here(store) => store.release(charges, lease),
            Self::Elsewhere(store) => {
                // A store that cannot be opened again has no slots of this process.
                if let Ok(store) = store.current() {
                    store.release(charges, lease);
                }
            }
        }
    }
}

impl Resilient for Store {
    #[inline]
    async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        match self {
            Self::Here(store) => store.take_or(charges, outage).await,
            Self::Elsewhere(store) => store.current()?.take_or(charges, outage).await,
        }
    }
}
