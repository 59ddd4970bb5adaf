//! A store that lends chunks, behind one that spends them.

use std::time::Duration;

use sluicegate::{Clock, Lease, Leased, LeasedLease, ManualClock, Timestamp};
use sluicegate_store_tests::{Subject, lending::LendingStore};

/// Takes chunks as often and as small as can be: of a single request, from half the quota, and soon.
struct Spending(Leased<LendingStore<ManualClock>, ManualClock>);

impl Spending {
    fn new() -> Self {
        let clock = ManualClock::new();
        let leased = Leased::builder(LendingStore::new(clock.clone()))
            .share(500_000)
            .life(Duration::from_secs(100))
            .requests(1)
            .ahead(false)
            .clock(clock)
            .build();
        Self(leased)
    }
}

impl Subject for Spending {
    type Store = Leased<LendingStore<ManualClock>, ManualClock>;
    /// Others are denied the part of a chunk that an undecided request has taken.
    const APART: bool = true;

    fn store(&self) -> &Self::Store {
        &self.0
    }

    fn lease(lease: &LeasedLease<Lease>) -> Lease {
        *lease.store().or(lease.chunks()).expect("taken somewhere")
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

sluicegate_store_tests::suite!(Spending::new);
