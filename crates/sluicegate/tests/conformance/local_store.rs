//! The local store of a fallback whose store never answers.

use std::time::Duration;

use sluicegate::{
    Backend, Charge, Clock, Cost, Decision, Fallback, FallbackLease, Lease, ManualClock, Store, StoreError,
    Taken, Timestamp,
};
use sluicegate_store_tests::Subject;

struct Dead;

impl Store for Dead {
    type Lease = Lease;

    async fn take(&self, _: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Err(StoreError::new("the line is dead"))
    }

    async fn settle(&self, _: &[Charge], _: Lease, _: &[Cost]) -> Result<(), StoreError> {
        Err(StoreError::new("the line is dead"))
    }

    async fn reset(&self, _: &[Charge]) -> Result<(), StoreError> {
        Err(StoreError::new("the line is dead"))
    }

    fn release(&self, _: &[Charge], _: Lease) {}
}

impl Backend for Dead {}

struct Alone {
    store: Fallback<Dead, ManualClock>,
    clock: ManualClock,
}

impl Alone {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self { store: Fallback::builder(Dead).max_keys(1_000).clock(clock.clone()).build(), clock }
    }
}

impl Subject for Alone {
    type Store = Fallback<Dead, ManualClock>;

    fn store(&self) -> &Self::Store {
        &self.store
    }

    fn lease(lease: &FallbackLease<Lease>) -> Lease {
        *lease.store().or(lease.memory()).expect("taken somewhere")
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

    fn reset(&self, accounts: &[Charge]) {
        let told = self.run(self.store.reset(accounts));
        assert!(told.expect_err("the line is dead").to_string().contains("the line is dead"));
    }
}

sluicegate_store_tests::suite!(Alone::new);
