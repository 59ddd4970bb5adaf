//! The store of a limiter, which a forked process opens anew.

use std::{
    mem,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
};

use pyo3::prelude::*;
use sluicegate::{Charge, Cost, Decision, Lease, StoreError, Taken, Transition};
use sluicegate_policy::{StoreKind, StoreSettings};
use sluicegate_stores::{AnyStore, Figures};

use crate::{clock::AnyClock, fork};

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
    opened: RwLock<Opened>,
}

#[derive(Clone)]
struct Opened {
    store: Arc<Owned>,
    generation: u64,
}

/// A store that the process which opened it closes, and no child of it.
struct Owned {
    /// None only while it is dropped.
    store: Option<AnyStore<AnyClock>>,
    generation: u64,
}

impl Store {
    pub(crate) fn open(settings: &StoreSettings, clock: AnyClock) -> Result<Self, StoreError> {
        let store = AnyStore::open_with_clock(settings, clock, log)?;
        if settings.url.kind() == StoreKind::Memory {
            return Ok(Self::Here(store));
        }
        let opened = RwLock::new(Opened::new(store));
        Ok(Self::Elsewhere(Reopened { settings: settings.clone(), opened }))
    }

    /// Whether an answer may take time.
    #[inline]
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Elsewhere(_))
    }

    /// What it has done in this process.
    pub(crate) fn figures(&self) -> Figures {
        match self {
            Self::Here(store) => store.figures(),
            Self::Elsewhere(store) => match store.current() {
                Ok(store) => store.figures(),
                Err(_) => Figures::default(),
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
    fn current(&self) -> Result<Arc<Owned>, StoreError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        if opened.generation == fork::generation() {
            return Ok(opened.store);
        }
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.generation != fork::generation() {
            *opened = Opened::new(AnyStore::open_with_clock(&self.settings, AnyClock::system(), log)?);
        }
        Ok(Arc::clone(&opened.store))
    }
}

impl Opened {
    fn new(store: AnyStore<AnyClock>) -> Self {
        let generation = fork::generation();
        Self { store: Arc::new(Owned { store: Some(store), generation }), generation }
    }
}

impl Deref for Owned {
    type Target = AnyStore<AnyClock>;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref().expect("a store is there until it is dropped")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let store = self.store.take();
        if self.generation == fork::generation() {
            // It waits for its thread, which may have something left to say.
            Python::attach(|py| py.detach(|| drop(store)));
        } else {
            // Its thread is not in this process, and its connection is the parent's.
            mem::forget(store);
        }
    }
}

impl sluicegate::Store for Store {
    #[inline]
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        match self {
            Self::Here(store) => store.take(charges).await,
            Self::Elsewhere(store) => store.current()?.take(charges).await,
        }
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
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

    fn release(&self, charges: &[Charge], lease: Lease) {
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

/// An outage begins or ends: each is told once.
fn log(transition: &Transition) {
    let (level, message) = match transition {
        Transition::Down { error } => {
            ("warning", format!("the store does not answer: {error}; limits go on by their outage policy"))
        }
        Transition::Up { after } => ("warning", format!("the store answers again, after {after:.1?}")),
    };
    // Where logging fails, as it does while the interpreter ends, limits go on.
    let _ = Python::attach(|py| {
        let logger = py.import("logging")?.call_method1("getLogger", ("sluicegate",))?;
        logger.call_method1(level, (message,)).map(drop)
    });
}
