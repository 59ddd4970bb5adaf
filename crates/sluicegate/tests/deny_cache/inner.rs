//! The store behind a cache, and who asks.

use std::{
    future::poll_fn,
    ops::Deref,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate::{
    Backend, Charge, Cost, Decided, Decision, Denial, DenyCache, DenyCacheBuilder, Lease, ManualClock,
    MemoryStore, Origin, Quota, Store, StoreError, Taken,
};

/// A store that counts how often it is asked, and answers as late as a test wants; its clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) memory: Arc<MemoryStore<ManualClock>>,
    pub(crate) clock: ManualClock,
    takes: Arc<AtomicUsize>,
    /// The time that a call is under way before it is decided.
    pub(crate) way: Arc<Mutex<Duration>>,
    /// Set to hold back results that are decided.
    pub(crate) holds_answers: Arc<AtomicBool>,
    /// Set to hold back settlements and resets, before they are made.
    pub(crate) holds_settlements: Arc<AtomicBool>,
}

impl Inner {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let memory = MemoryStore::builder().clock(clock.clone()).build();
        Self {
            memory: Arc::new(memory),
            clock,
            takes: Arc::default(),
            way: Arc::default(),
            holds_answers: Arc::default(),
            holds_settlements: Arc::default(),
        }
    }

    /// The number of decisions requested from it.
    pub(crate) fn takes(&self) -> usize {
        self.takes.load(Ordering::SeqCst)
    }
}

impl Store for Inner {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        self.takes.fetch_add(1, Ordering::SeqCst);
        self.clock.advance(*self.way.lock().expect("nobody panicked"));
        let decision = self.memory.take_now(charges);
        let_go(&self.holds_answers).await;
        Ok(decision)
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        let_go(&self.holds_settlements).await;
        self.memory.settle_now(charges, lease, actual);
        Ok(())
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        let_go(&self.holds_settlements).await;
        self.memory.reset_now(accounts);
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.memory.release(charges, lease);
    }
}

impl Backend for Inner {}

/// Waits until nothing is held any more.
async fn let_go(holds: &AtomicBool) {
    poll_fn(|_| if holds.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// A cache before such a store, and its caller.
pub(crate) struct Asker {
    pub(crate) cache: DenyCache<Inner, ManualClock>,
    pub(crate) inner: Inner,
}

impl Asker {
    pub(crate) fn new() -> Self {
        Self::set_up(|builder| builder)
    }

    pub(crate) fn set_up(
        set_up: impl FnOnce(DenyCacheBuilder<Inner, ManualClock>) -> DenyCacheBuilder<Inner, ManualClock>,
    ) -> Self {
        Self::of(&Inner::new(), set_up)
    }

    pub(crate) fn of(
        inner: &Inner,
        set_up: impl FnOnce(DenyCacheBuilder<Inner, ManualClock>) -> DenyCacheBuilder<Inner, ManualClock>,
    ) -> Self {
        let builder = DenyCache::builder(inner.clone()).clock(inner.clock.clone());
        Self { cache: set_up(builder).build(), inner: inner.clone() }
    }

    pub(crate) fn take(&self, charges: &[Charge]) -> Decision<Taken> {
        now(self.cache.take(charges)).expect("it answers")
    }

    pub(crate) fn admit(&self, charges: &[Charge]) -> Taken {
        self.take(charges).allowed().expect("admitted")
    }

    pub(crate) fn deny(&self, charges: &[Charge]) -> Denied {
        let Decided { decision, origin } = now(self.cache.take_with_origin(charges)).expect("it answers");
        Denied { denial: decision.denial().expect("denied").clone(), remembered: origin == Origin::Cache }
    }

    /// Takes until nothing is left, so that the denial is remembered.
    pub(crate) fn exhaust(&self, charges: &[Charge]) -> Denied {
        while self.take(charges).is_allowed() {}
        self.deny(charges)
    }

    pub(crate) fn settle(&self, charges: &[Charge], lease: Lease, actual: &[u64]) {
        let actual: Vec<_> = actual.iter().copied().map(Cost::new).collect();
        now(self.cache.settle(charges, lease, &actual)).expect("it answers");
    }

    pub(crate) fn reset(&self, accounts: &[Charge]) {
        now(self.cache.reset(accounts)).expect("it answers");
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.inner.clock.advance(by);
    }
}

/// A denial, and whether it was remembered.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) denial: Denial,
    pub(crate) remembered: bool,
}

impl Deref for Denied {
    type Target = Denial;

    fn deref(&self) -> &Denial {
        &self.denial
    }
}

/// Runs a future that does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

pub(crate) fn quota(text: &str) -> Quota {
    text.parse().expect("a quota")
}
