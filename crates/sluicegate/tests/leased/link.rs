//! Instances that share a store, each with a way to it that can be cut.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate::{
    Backend, Charge, Chunk, Cost, Decision, Lease, Leased, LeasedBuilder, LeasedLease, Lender, ManualClock,
    OutageMode, Quota, Remainder, Resilient, Store, StoreError, Taken, Timestamp,
};
use sluicegate_store_tests::lending::LendingStore;

pub(crate) type Shop = LendingStore<ManualClock>;
pub(crate) type Instance = Leased<Link, ManualClock>;

/// A way to a store.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) store: Arc<Shop>,
    /// Set while nothing comes back: what is sent arrives.
    pub(crate) deaf: Arc<AtomicBool>,
    /// Set while nothing arrives.
    pub(crate) cut: Arc<AtomicBool>,
    pub(crate) calls: Arc<AtomicU64>,
}

impl Link {
    pub(crate) fn to(store: &Arc<Shop>) -> Self {
        let (deaf, cut, calls) = (Arc::default(), Arc::default(), Arc::default());
        Self { store: Arc::clone(store), deaf, cut, calls }
    }

    /// An instance at this end, whose clock is its own.
    pub(crate) fn instance(&self, clock: &ManualClock) -> LeasedBuilder<Self, ManualClock> {
        Leased::builder(self.clone()).clock(clock.clone())
    }

    fn broken(&self) -> Result<(), StoreError> {
        if self.deaf.load(Relaxed) || self.cut.load(Relaxed) {
            return Err(StoreError::new("nobody answers"));
        }
        Ok(())
    }

    fn arrives(&self) -> bool {
        self.calls.fetch_add(1, Relaxed);
        !self.cut.load(Relaxed)
    }
}

impl Store for Link {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        let decision = if self.arrives() { Some(self.store.take(charges).await?) } else { None };
        self.broken()?;
        decision.ok_or_else(|| StoreError::new("nobody answers"))
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        if self.arrives() {
            self.store.settle(charges, lease, actual).await?;
        }
        self.broken()
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        if self.arrives() {
            self.store.reset(accounts).await?;
        }
        self.broken()
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        if self.arrives() {
            self.store.release(charges, lease);
        }
    }
}

impl Backend for Link {}

impl Resilient for Link {
    async fn take_or(
        &self,
        charges: &[Charge],
        _outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}

impl Lender for Link {
    fn lend(
        &self,
        charge: &Charge,
        life: Duration,
    ) -> impl Future<Output = Result<Option<Chunk<Lease>>, StoreError>> + Send + 'static {
        let lent = self.arrives().then(|| self.store.lend(charge, life));
        let broken = self.broken();
        async move {
            let lent = match lent {
                Some(lent) => lent.await?,
                None => None,
            };
            broken.map(|()| lent)
        }
    }

    fn give_back(&self, charge: &Charge, lease: Lease, rest: Remainder) {
        if self.arrives() {
            self.store.give_back(charge, lease, rest);
        }
    }

    fn claim(&self, taken_at: Timestamp) -> Lease {
        self.store.claim(taken_at)
    }
}

/// Runs a future of a store that never waits.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

/// Takes a charge, and returns the claim if it is admitted.
pub(crate) fn take<S: Store<Lease = LeasedLease<L>>, L>(
    store: &S,
    charge: &Charge,
) -> Option<LeasedLease<L>> {
    let decision = run(store.take(std::slice::from_ref(charge))).ok()?;
    decision.allowed().map(|taken| taken.lease)
}

/// Takes the same until it is denied; how often it was admitted.
pub(crate) fn exhaust<S: Store<Lease = LeasedLease<L>>, L>(store: &S, charge: &Charge) -> usize {
    (0..100_000).take_while(|_| take(store, charge).is_some()).count()
}

pub(crate) fn quota(text: &str) -> Quota {
    text.parse().expect("a good quota")
}
