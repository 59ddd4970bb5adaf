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
    Backend, Charge, Cost, Decided, Decision, Fallback, FallbackLease, Lease, ManualClock, MemoryStore,
    Origin, OutageMode, Quota, Resilient, ServerId, Store, StoreError, Taken, Transition,
};

/// The state of a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Network {
    Up,
    Down,
    /// Somebody answers, but refuses.
    Refusing,
    /// The store does what it is asked, and answers too late.
    Slow,
    /// No answer comes until it is something else.
    Silent,
}

/// A store behind a network; its clones are the same. Keys that begin with `1|` live on its server 1, and so on; all
/// others on server 0.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// The accounts of all servers.
    pub(crate) memory: Arc<MemoryStore<ManualClock>>,
    networks: Arc<Mutex<Vec<Network>>>,
    /// The number of servers that lost their accounts to the next one.
    gone: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    releases: Arc<AtomicUsize>,
}

impl Remote {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self::of(1, clock)
    }

    /// A store of so many servers.
    pub(crate) fn of(servers: usize, clock: &ManualClock) -> Self {
        Self {
            memory: Arc::new(MemoryStore::builder().clock(clock.clone()).build()),
            networks: Arc::new(Mutex::new(vec![Network::Up; servers])),
            gone: Arc::default(),
            calls: Arc::default(),
            releases: Arc::default(),
        }
    }

    pub(crate) fn is(&self, network: Network) {
        self.networks.lock().expect("nobody panicked").fill(network);
    }

    /// Sets the state of the network to one of the servers.
    pub(crate) fn server_is(&self, server: usize, network: Network) {
        self.networks.lock().expect("nobody panicked")[server] = network;
    }

    /// Moves the accounts of this server, and of all before it, to the next one.
    pub(crate) fn replace(&self, server: usize) {
        self.gone.store(server + 1, Ordering::SeqCst);
    }

    /// The number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn releases(&self) -> usize {
        self.releases.load(Ordering::SeqCst)
    }

    /// Fails if one of these charges' servers does.
    async fn answer(&self, charges: &[Charge]) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let servers: Vec<ServerId> = match charges {
            [] => vec![ServerId::ONLY],
            charges => charges.iter().map(|charge| self.server(charge)).collect(),
        };
        poll_fn(|_| {
            let failing =
                |network, error| match servers.iter().filter(|server| self.network(**server) == network) {
                    failing if failing.clone().count() == 0 => Ok(()),
                    failing => Err(failing.copied().fold(error, StoreError::at)),
                };
            if failing(Network::Silent, StoreError::new("")).is_err() {
                return Poll::Pending;
            }
            Poll::Ready(
                failing(Network::Down, StoreError::new("the line is dead"))
                    .and(failing(Network::Refusing, StoreError::misconfigured("a wrong password")))
                    .and(failing(Network::Slow, StoreError::new("the line is slow"))),
            )
        })
        .await
    }

    fn network(&self, server: ServerId) -> Network {
        self.networks.lock().expect("nobody panicked")[server.number() as usize]
    }
}

impl Store for Remote {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        if let Err(error) = self.answer(charges).await {
            let slow = charges.iter().filter(|charge| self.network(self.server(charge)) == Network::Slow);
            // Whether it is admitted or not, nobody will know.
            drop(self.memory.take_now(&slow.cloned().collect::<Vec<_>>()));
            return Err(error);
        }
        Ok(self.memory.take_now(charges))
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.answer(charges).await?;
        self.memory.settle_now(charges, lease, actual);
        Ok(())
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.answer(accounts).await?;
        self.memory.reset_now(accounts);
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.releases.fetch_add(1, Ordering::SeqCst);
        self.memory.release(charges, lease);
    }
}

impl Backend for Remote {
    /// As a cache would: denials on keys that begin with `remembered` are.
    async fn take_with_origin(&self, charges: &[Charge]) -> Result<Decided, StoreError> {
        let decision = self.take(charges).await?;
        let remembers = charges.first().is_some_and(|first| first.key.as_str().starts_with("remembered"));
        let origin = if remembers && !decision.is_allowed() { Origin::Cache } else { Origin::Server };
        Ok(Decided { decision, origin })
    }

    fn server(&self, charge: &Charge) -> ServerId {
        let home = charge.key.as_str().split('|').next().and_then(|home| home.parse().ok()).unwrap_or(0);
        let first = u32::try_from(self.gone.load(Ordering::SeqCst)).expect("few");
        ServerId::new(first.max(home))
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        let servers = self.gone.load(Ordering::SeqCst)..self.networks.lock().expect("nobody panicked").len();
        let server =
            |number| (ServerId::new(u32::try_from(number).expect("few")), format!("server-{number}"));
        servers.map(server).collect()
    }
}

/// The result of a take that a fallback admits.
pub(crate) type Admitted = Taken<FallbackLease<Lease>>;

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

    pub(crate) fn take(&self, charges: &[Charge]) -> Result<Decision<Admitted>, StoreError> {
        now(self.store.take(charges))
    }

    /// Takes charges of these modes.
    pub(crate) fn take_or(
        &self,
        charges: &[Charge],
        modes: &[OutageMode],
    ) -> Result<Decision<Admitted>, StoreError> {
        now(self.store.take_or(charges, |place| modes[place]))
    }

    pub(crate) fn decide(&self, charges: &[Charge]) -> Decision<Admitted> {
        self.take(charges).expect("it goes on")
    }

    pub(crate) fn admit_or(&self, charges: &[Charge], modes: &[OutageMode]) -> Admitted {
        self.take_or(charges, modes).expect("it goes on").allowed().expect("admitted")
    }

    pub(crate) fn admit(&self, charges: &[Charge]) -> Admitted {
        self.decide(charges).allowed().expect("admitted")
    }

    pub(crate) fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        now(self.store.reset(accounts))
    }

    pub(crate) fn settle(
        &self,
        charges: &[Charge],
        lease: FallbackLease<Lease>,
        actual: &[u64],
    ) -> Result<(), StoreError> {
        let actual: Vec<_> = actual.iter().copied().map(Cost::new).collect();
        now(self.store.settle(charges, lease, &actual))
    }

    /// Takes these charges until they are denied, and returns the number of admissions.
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
