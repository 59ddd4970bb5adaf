//! A store behind a network that a test cuts.

use std::{
    future::poll_fn,
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate::{
    Charge, Cost, Decision, Fallback, Lease, ManualClock, MemoryStore, Quota, Store, StoreError, Taken,
    Transition,
};

/// How the network is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Network {
    Up,
    Down,
    /// Somebody answers, but refuses.
    Refusing,
    /// No answer comes until it is something else.
    Silent,
}

/// A store behind a network; its clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) memory: Arc<MemoryStore<ManualClock>>,
    network: Arc<Mutex<Network>>,
    calls: Arc<AtomicUsize>,
    releases: Arc<AtomicUsize>,
}

impl Remote {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self {
            memory: Arc::new(MemoryStore::builder().clock(clock.clone()).build()),
            network: Arc::new(Mutex::new(Network::Up)),
            calls: Arc::default(),
            releases: Arc::default(),
        }
    }

    pub(crate) fn is(&self, network: Network) {
        *self.network.lock().expect("nobody panicked") = network;
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn releases(&self) -> usize {
        self.releases.load(Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        poll_fn(|_| match *self.network.lock().expect("nobody panicked") {
            Network::Up => Poll::Ready(Ok(())),
            Network::Down => Poll::Ready(Err(StoreError::new("the line is dead"))),
            Network::Refusing => Poll::Ready(Err(StoreError::misconfigured("a wrong password"))),
            Network::Silent => Poll::Pending,
        })
        .await
    }
}

impl Store for Remote {
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        self.answer().await?;
        // As a cache would: keys that begin so are not asked for.
        let decision = self.memory.take_now(charges);
        Ok(match decision {
            Decision::Deny(denial) if charges[0].key.as_str().starts_with("remembered") => {
                Decision::Deny(sluicegate::Denial { remembered: true, ..denial })
            }
            decision => decision,
        })
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.answer().await?;
        self.memory.settle_now(charges, lease, actual);
        Ok(())
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.answer().await?;
        self.memory.reset_now(accounts);
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.releases.fetch_add(1, Ordering::SeqCst);
        self.memory.release(charges, lease);
    }
}

/// A fallback on a remote store, and its time.
pub(crate) struct Bench {
    pub(crate) store: Fallback<Remote, ManualClock>,
    pub(crate) remote: Remote,
    pub(crate) clock: ManualClock,
    pub(crate) transitions: Arc<Mutex<Vec<Transition>>>,
}

impl Bench {
    pub(crate) fn of(replicas: u32) -> Self {
        let clock = ManualClock::new();
        Self::on(Remote::new(&clock), clock, replicas)
    }

    pub(crate) fn on(remote: Remote, clock: ManualClock, replicas: u32) -> Self {
        let transitions: Arc<Mutex<Vec<Transition>>> = Arc::default();
        let told = Arc::clone(&transitions);
        let store = Fallback::builder(remote.clone())
            .replicas(NonZeroU32::new(replicas).expect("some"))
            .max_keys(1_000)
            .clock(clock.clone())
            .watch(move |transition| told.lock().expect("nobody panicked").push(transition.clone()))
            .build();
        Self { store, remote, clock, transitions }
    }

    /// Its remote has just been taken for down.
    pub(crate) fn down(replicas: u32) -> Self {
        let bench = Self::of(replicas);
        bench.go_down();
        bench
    }

    pub(crate) fn go_down(&self) {
        self.remote.is(Network::Down);
        self.ask(5);
        assert!(!self.store.is_up());
    }

    /// Lets time pass until somebody has probed a remote that answers.
    pub(crate) fn come_up(&self) {
        self.remote.is(Network::Up);
        self.clock.advance(Duration::from_secs(1));
        self.ask(1);
        assert!(self.store.is_up());
    }

    /// Asks so many times for nothing.
    pub(crate) fn ask(&self, times: usize) {
        for _ in 0..times {
            self.admit(&peek());
        }
    }

    pub(crate) fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        now(self.store.take(charges))
    }

    pub(crate) fn decide(&self, charges: &[Charge]) -> Decision<Taken> {
        self.take(charges).expect("it goes on")
    }

    pub(crate) fn admit(&self, charges: &[Charge]) -> Taken {
        self.decide(charges).allowed().expect("admitted")
    }

    pub(crate) fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        now(self.store.reset(accounts))
    }

    pub(crate) fn settle(&self, charges: &[Charge], lease: Lease, actual: &[u64]) -> Result<(), StoreError> {
        let actual: Vec<_> = actual.iter().copied().map(Cost::new).collect();
        now(self.store.settle(charges, lease, &actual))
    }

    /// How many requests of these charges pass, one after the other.
    pub(crate) fn exhaust(&self, charges: &[Charge]) -> usize {
        (0..1_000).take_while(|_| self.decide(charges).is_allowed()).count()
    }

    pub(crate) fn remaining(&self, charge: &Charge) -> u64 {
        self.admit(&[charge.clone().cost(0)]).balances[0].remaining
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

/// A request that costs nothing and disturbs nothing.
pub(crate) fn peek() -> [Charge; 1] {
    [Charge::new("nobody", quota("1/minute")).cost(0)]
}
