//! The decorators of a store behind a network, one on the other.

use std::time::Duration;

use sluicegate::{Clock, DenyCache, Fallback, FallbackLease, Lease, ManualClock, MemoryStore, Timestamp};
use sluicegate_store_tests::Subject;

type Decorated = Fallback<DenyCache<MemoryStore<ManualClock>, ManualClock>, ManualClock>;

struct Network {
    store: Decorated,
    clock: ManualClock,
}

impl Network {
    fn new() -> Self {
        let clock = ManualClock::new();
        let memory = MemoryStore::builder().clock(clock.clone()).build();
        let cache = DenyCache::builder(memory).clock(clock.clone()).build();
        Self { store: Fallback::builder(cache).max_keys(1_000).clock(clock.clone()).build(), clock }
    }
}

impl Subject for Network {
    type Store = Decorated;

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn lease(lease: &FallbackLease<Lease>) -> Lease {
        *lease.store().or(lease.memory()).expect("taken somewhere")
    }

    fn remembered(&self) -> u64 {
        self.store.store().hits()
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
}

sluicegate_store_tests::suite!(Network::new);
