//! A store elsewhere, and the thread that speaks with it.

use std::time::Duration;

use sluicegate::{Backend, DenyCache, Fallback, StoreError, Transition};
use sluicegate_policy::{StoreKind, StoreSettings};
use tokio::runtime::Handle;

use crate::{StoreStatistics, thread::StoreThread};

/// A store elsewhere that goes on when it does not answer and remembers its denials, and the thread that speaks with it.
#[derive(Debug)]
pub struct Remote<S> {
    // Dropped in this order: the thread ends when the store has, and what it had left to say has arrived.
    pub(crate) store: Decorated<S>,
    pub(crate) thread: StoreThread,
}

/// A store elsewhere, in its decorators.
pub(crate) type Decorated<S> = Fallback<DenyCache<S>>;

impl<S: Backend> Remote<S> {
    /// Opens a store whose tasks run on a thread of their own.
    pub(crate) fn open(
        settings: &StoreSettings,
        watch: impl Fn(&Transition) + Send + Sync + 'static,
        open: impl FnOnce(&Handle) -> Result<S, StoreError>,
    ) -> Result<Self, StoreError> {
        let thread = StoreThread::start()?;
        let mut cache = DenyCache::builder(open(thread.runtime())?).cap(longest_memory(settings));
        if !settings.remember_denials {
            cache = cache.max_keys(0);
        }
        let store = Fallback::builder(cache.build())
            .replicas(settings.replicas)
            .max_keys(settings.max_keys)
            .watch(watch)
            .build();
        Ok(Self { store, thread })
    }
}

/// Forgets what stands in for the store, then what is there, by `clear`, and then which denials it gave.
pub(crate) async fn clear<S: Backend>(
    store: &Decorated<S>,
    clear: impl AsyncFnOnce(&S) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    store.local().clear();
    let cleared = clear(inner(store)).await;
    // After an error too, for something was forgotten perhaps.
    store.store().clear();
    cleared
}

/// Returns the store itself.
pub(crate) fn inner<S: Backend>(store: &Decorated<S>) -> &S {
    store.store().store()
}

/// The statistics common to all remote stores.
pub(crate) fn statistics<S: Backend>(store: &Decorated<S>) -> StoreStatistics {
    StoreStatistics {
        up: store.is_up(),
        errors: store.errors(),
        outages: store.outages(),
        servers: store.servers(),
        decided_locally: store.decided_locally(),
        allowed: store.allowed(),
        refused: store.refused(),
        remembered_denials: store.store().hits(),
        ..StoreStatistics::of_memory(&store.local())
    }
}

/// The maximum time that a denial is remembered.
fn longest_memory(settings: &StoreSettings) -> Duration {
    let url = &settings.url;
    let in_several_places = url.kind() == StoreKind::Memcached || url.scheme().ends_with("+cluster");
    if in_several_places || settings.chunks.is_some() {
        // What it takes in several places, or in chunks, it may give back: others are denied in between what is there
        // again soon.
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
