//! The store in memory.

use std::time::Duration;

use sluicegate::{Clock, Lease, ManualClock, MemoryStore, Timestamp};
use sluicegate_store_tests::Subject;

struct Memory(MemoryStore<ManualClock>);

impl Subject for Memory {
    type Store = MemoryStore<ManualClock>;

    fn store(&self) -> &Self::Store {
        &self.0
    }

    fn lease(lease: &Lease) -> Lease {
        *lease
    }

    fn now(&self) -> Timestamp {
        self.0.clock().now()
    }

    fn advance(&self, by: Duration) {
        self.0.clock().advance(by);
    }

    fn set_back(&self, by: Duration) {
        self.0.clock().set_back(by);
    }

    fn set_forward(&self, by: Duration) {
        self.0.clock().set_forward(by);
    }
}

sluicegate_store_tests::suite!(|| Memory(MemoryStore::builder().clock(ManualClock::new()).build()));
