//! Memory behind a cache of its denials.

use std::time::Duration;

use sluicegate::{Clock, DenyCache, Lease, ManualClock, MemoryStore, Timestamp};
use sluicegate_store_tests::Subject;

struct Remembering(DenyCache<MemoryStore<ManualClock>, ManualClock>);

impl Remembering {
    fn new() -> Self {
        let clock = ManualClock::new();
        let memory = MemoryStore::builder().clock(clock.clone()).build();
        Self(DenyCache::builder(memory).clock(clock).build())
    }
}

impl Subject for Remembering {
    type Store = DenyCache<MemoryStore<ManualClock>, ManualClock>;

    fn store(&self) -> &Self::Store {
        &self.0
    }

    fn lease(lease: &Lease) -> Lease {
        *lease
    }

    fn remembered(&self) -> u64 {
        self.0.hits()
    }

    fn now(&self) -> Timestamp {
        self.0.store().clock().now()
    }

    fn advance(&self, by: Duration) {
        self.0.store().clock().advance(by);
    }

    fn set_back(&self, by: Duration) {
        self.0.store().clock().set_back(by);
    }

    fn set_forward(&self, by: Duration) {
        self.0.store().clock().set_forward(by);
    }
}

sluicegate_store_tests::suite!(Remembering::new);
