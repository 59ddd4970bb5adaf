//! It does what every store must, but for concurrent limits.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sluicegate::{Algorithm, Clock, Lease, ManualClock, Timestamp};
use sluicegate_memcached::MemcachedStore;
use sluicegate_store_tests::Subject;

use sluicegate_test_servers::MemcachedServer;

use crate::stores::{KEPT, RUNTIME, open, patient};

/// A store with a prefix of its own, on a Memcached that all share.
struct Shared {
    store: MemcachedStore,
    clock: ManualClock,
}

impl Shared {
    fn fresh() -> Self {
        static SERVER: LazyLock<MemcachedServer> = LazyLock::new(MemcachedServer::start);
        static STORES: AtomicUsize = AtomicUsize::new(0);
        let clock = ManualClock::new();
        // It is set back by hours.
        clock.advance(Duration::from_secs(86_400));
        let prefix = format!("store-{}", STORES.fetch_add(1, Ordering::Relaxed));
        let store = open(patient(&SERVER.url()).prefix(&prefix).clock(clock.clone()));
        Self { store, clock }
    }
}

impl Subject for Shared {
    type Store = MemcachedStore;

    const ALGORITHMS: &'static [Algorithm] = &KEPT;
    const RECORDINGS: u32 = 512;

    fn store(&self) -> &MemcachedStore {
        &self.store
    }

    fn lease(lease: &Lease) -> Lease {
        *lease
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn set_back(&self, by: Duration) {
        self.clock.set_back(by);
    }

    fn set_forward(&self, by: Duration) {
        self.clock.set_forward(by);
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        RUNTIME.block_on(future)
    }
}

sluicegate_store_tests::suite!(Shared::fresh);
