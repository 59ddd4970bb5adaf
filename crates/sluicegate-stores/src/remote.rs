//! A store elsewhere, and the thread that speaks with it.

use std::time::Duration;

use sluicegate::{Backend, DenyCache, Fallback, StoreError, Transition};
use sluicegate_policy::{StoreKind, StoreSettings, StoreUrl};
use tokio::runtime::Handle;

use crate::{StoreStatistics, thread::StoreThread};

/// A store elsewhere that goes on when it does not answer and remembers its denials, and the thread that speaks with it.
#[derive(Debug)]
pub struct Remote<S> {
    // Dropped in this order: the thread ends when the store has, and what it had left to say has arrived.
    pub(crate) store: Fallback<DenyCache<S>>,
    _thread: StoreThread,
}

impl<S: Backend> Remote<S> {
    /// Opens a store whose tasks run on a thread of their own.
    pub(crate) fn open(
        settings: &StoreSettings,
        watch: impl Fn(&Transition) + Send + Sync + 'static,
        open: impl FnOnce(&Handle) -> Result<S, StoreError>,
    ) -> Result<Self, StoreError> {
        let thread = StoreThread::start()?;
        let mut cache = DenyCache::builder(open(thread.runtime())?).cap(longest_memory(&settings.url));
        if !settings.remember_denials {
            cache = cache.max_keys(0);
        }
        let store = Fallback::builder(cache.build())
            .replicas(settings.replicas)
            .max_keys(settings.max_keys)
            .watch(watch)
            .build();
        Ok(Self { store, _thread: thread })
    }

    /// Returns the store itself.
    pub fn inner(&self) -> &S {
        self.store.store().store()
    }

    /// Forgets what stands in for the store, then what is there, by `clear`, and then which denials it gave.
    pub(crate) async fn clear(
        &self,
        clear: impl AsyncFnOnce(&S) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.local().clear();
        let cleared = clear(self.inner()).await;
        // After an error too, for something was forgotten perhaps.
        self.store.store().clear();
        cleared
    }

    /// The statistics common to all remote stores.
    pub(crate) fn statistics(&self) -> StoreStatistics {
        StoreStatistics {
            up: self.store.is_up(),
            errors: self.store.errors(),
            outages: self.store.outages(),
            servers: self.store.servers(),
            decided_locally: self.store.decided_locally(),
            allowed: self.store.allowed(),
            refused: self.store.refused(),
            remembered_denials: self.store.store().hits(),
            ..StoreStatistics::of_memory(self.store.local())
        }
    }
}

/// The maximum time that a denial is remembered.
fn longest_memory(url: &StoreUrl) -> Duration {
    if url.kind() == StoreKind::Memcached || url.scheme().ends_with("+cluster") {
        // What it takes in several places it may give back: others are denied in between what is there again soon.
        GIVEN_BACK_BY
    } else {
        // They hold for as long as their wait, unless the store is emptied or the account is deleted.
        FLUSHED_BY
    }
}

/// Far longer than giving back takes, and far shorter than most waits.
const GIVEN_BACK_BY: Duration = Duration::from_millis(250);
/// The maximum time that callers stay denied after the store was emptied. An attacked key costs one call in this time.
const FLUSHED_BY: Duration = Duration::from_secs(5);
