//! Stores under test.

use std::{sync::LazyLock, time::Duration};

use sluicegate::{Algorithm, Balance, Charge, Cost, Decision, Lease, Quota, Store, StoreError, Taken};
use sluicegate_memcached::{MemcachedStore, MemcachedStoreBuilder};
use tokio::runtime::Runtime;

/// The runtime of all stores' tasks.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The algorithms that Memcached supports.
pub(crate) const KEPT: [Algorithm; 4] =
    [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog];

/// A store that has time, for tests that are not about time: a busy machine takes its own.
pub(crate) fn patient(url: &str) -> MemcachedStoreBuilder {
    builder(url).timeout(Duration::from_secs(20))
}

pub(crate) fn builder(url: &str) -> MemcachedStoreBuilder {
    MemcachedStore::builder(url).expect("a good URL")
}

pub(crate) fn open(builder: MemcachedStoreBuilder) -> MemcachedStore {
    builder.open(RUNTIME.handle()).expect("a store")
}

/// A quota that gives nothing back while a test runs.
pub(crate) fn daily(amount: u64, algorithm: Algorithm) -> Quota {
    Quota::new(amount, Duration::from_secs(86_400))
        .and_then(|quota| quota.with_algorithm(algorithm))
        .expect("a good quota")
}

pub(crate) fn take(store: &MemcachedStore, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
    RUNTIME.block_on(store.take(charges))
}

pub(crate) fn ask(store: &MemcachedStore, charge: &Charge) -> Result<Decision<Taken>, StoreError> {
    take(store, std::slice::from_ref(charge))
}

/// Takes what must be admitted.
pub(crate) fn admit(store: &MemcachedStore, charge: &Charge) -> Taken {
    match ask(store, charge) {
        Ok(Decision::Allow(taken)) => taken,
        other => panic!("{charge:?}: {other:?}"),
    }
}

pub(crate) fn settle(
    store: &MemcachedStore,
    charge: &Charge,
    lease: Lease,
    actual: u64,
) -> Result<(), StoreError> {
    RUNTIME.block_on(store.settle(std::slice::from_ref(charge), lease, &[Cost::new(actual)]))
}

pub(crate) fn peek(store: &MemcachedStore, charge: &Charge) -> Balance {
    admit(store, &charge.clone().cost(0)).balances[0]
}

pub(crate) fn remaining(store: &MemcachedStore, charge: &Charge) -> u64 {
    peek(store, charge).remaining
}
