//! Setting up a fallback.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicU64},
};

use super::{
    Fallback, Modes, Transition, breaker::TransitionListener, breakers::Breakers, counters::Counters,
    local_store::LocalStore,
};
use crate::{Backend, Charge, Clock, MemoryStore, OutageMode, SystemClock};

/// Sets up a [`Fallback`].
#[must_use]
pub struct FallbackBuilder<S, C = SystemClock> {
    store: S,
    replicas: NonZeroU32,
    max_keys: usize,
    clock: C,
    outage: Box<Modes>,
    listener: Arc<TransitionListener>,
}

impl<S: Backend> FallbackBuilder<S> {
    pub(super) fn new(store: S) -> Self {
        Self {
            store,
            replicas: NonZeroU32::MIN,
            max_keys: DEFAULT_KEYS,
            clock: SystemClock::new(),
            outage: Box::new(|_| OutageMode::Local),
            listener: Arc::new(|_| ()),
        }
    }
}

impl<S: Backend, C: Clock + Clone> FallbackBuilder<S, C> {
    /// Sets the number of instances that share the store. In an outage each gives an equal part of every quota. Defaults
    /// to 1.
    pub fn replicas(self, replicas: NonZeroU32) -> Self {
        Self { replicas, ..self }
    }

    /// Sets the number of keys of each algorithm that the local store has room for, as
    /// [`MemoryStoreBuilder::max_keys`](crate::MemoryStoreBuilder::max_keys) does. Defaults to a million.
    pub fn max_keys(self, max_keys: usize) -> Self {
        Self { max_keys, ..self }
    }

    /// Follows this clock.
    pub fn clock<D: Clock + Clone>(self, clock: D) -> FallbackBuilder<S, D> {
        let Self { store, replicas, max_keys, outage, listener, .. } = self;
        FallbackBuilder { store, replicas, max_keys, clock, outage, listener }
    }

    /// Sets the mode of a charge whose server is down, for callers that name [none](crate::Limiter::take_or) themselves.
    /// Defaults to [`OutageMode::Local`].
    ///
    /// ```
    /// use sluicegate::{Fallback, MemoryStore, OutageMode, Unit};
    ///
    /// let store = Fallback::builder(MemoryStore::new())
    ///     .outage(|charge| match charge.quota.unit() {
    ///         Unit::Usd => OutageMode::Deny,
    ///         _ => OutageMode::Local,
    ///     })
    ///     .build();
    /// ```
    pub fn outage(self, outage: impl Fn(&Charge) -> OutageMode + Send + Sync + 'static) -> Self {
        Self { outage: Box::new(outage), ..self }
    }

    /// Tells this listener of each transition, once and in order. It is called by the request that made the store's
    /// state known, and under a lock: it returns soon, and asks nothing of the store.
    pub fn watch(self, listener: impl Fn(&Transition) + Send + Sync + 'static) -> Self {
        Self { listener: Arc::new(listener), ..self }
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> Fallback<S, C> {
        let memory = MemoryStore::builder().max_keys(self.max_keys).clock(self.clock.clone()).build();
        Fallback {
            store: self.store,
            breakers: Breakers::new(self.clock, self.listener),
            local: LocalStore::new(self.replicas, memory),
            counters: Counters::default(),
            outage: self.outage,
            next_roll_call: AtomicU64::new(0),
        }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for FallbackBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackBuilder")
            .field("store", &self.store)
            .field("replicas", &self.replicas)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

const DEFAULT_KEYS: usize = 1_000_000;
