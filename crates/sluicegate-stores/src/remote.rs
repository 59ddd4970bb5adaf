//! A store elsewhere, and the thread that speaks with it.

use sluicegate::{Charge, Cost, Decision, Fallback, Lease, ServerId, Store, StoreError, Taken, Transition};
use sluicegate_policy::StoreSettings;
use tokio::runtime::Handle;

use crate::{Figures, denials::Denials, thread::StoreThread};

/// A store elsewhere that goes on when it does not answer, and the thread that speaks with it.
#[derive(Debug)]
pub struct Remote<S> {
    // Dropped in this order: the thread ends when the store has, and what it had left to say has arrived.
    store: Fallback<Denials<S>>,
    _thread: StoreThread,
}

impl<S: Store> Remote<S> {
    /// Opens a store whose tasks run on a thread of their own.
    pub(crate) fn open(
        settings: &StoreSettings,
        watch: impl Fn(&Transition) + Send + Sync + 'static,
        open: impl FnOnce(&Handle) -> Result<S, StoreError>,
    ) -> Result<Self, StoreError> {
        let thread = StoreThread::start()?;
        let store = open(thread.runtime())?;
        let store = Fallback::builder(Denials::of(store, settings))
            .replicas(settings.replicas)
            .max_keys(settings.max_keys)
            .watch(watch)
            .build();
        Ok(Self { store, _thread: thread })
    }

    /// The store itself.
    pub fn store(&self) -> &S {
        self.store.store().store()
    }

    /// Forgets what stands in for the store, then what is there, by `clear`, and then which denials it gave.
    pub(crate) async fn clear(
        &self,
        clear: impl AsyncFnOnce(&S) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.local().clear();
        let cleared = clear(self.store()).await;
        // After an error too, for something was forgotten perhaps.
        self.store.store().clear();
        cleared
    }

    /// The statistics common to all remote stores.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            up: self.store.is_up(),
            errors: self.store.errors(),
            outages: self.store.outages(),
            servers: self.store.servers(),
            decided_locally: self.store.decided_locally(),
            allowed: self.store.allowed(),
            refused: self.store.refused(),
            remembered_denials: self.store.store().hits(),
            ..Figures::of_memory(self.store.local())
        }
    }
}

impl<S: Store> Store for Remote<S> {
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        self.store.take(charges).await
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.store.settle(charges, lease, actual).await
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.store.reset(accounts).await
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.store.release(charges, lease);
    }

    fn server(&self, charge: &Charge) -> ServerId {
        self.store.server(charge)
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        Store::servers(&self.store)
    }
}
