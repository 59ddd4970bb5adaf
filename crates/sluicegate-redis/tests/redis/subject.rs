//! Stores under test, and the servers that they are in.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sluicegate::{
    Charge, Clock, Decision, Denial, Lease, ManualClock, Quota, Store, StoreError, Taken, Timestamp,
};
use sluicegate_redis::{RedisStore, RedisStoreBuilder};
use sluicegate_store_tests::Subject;
use sluicegate_test_servers::{RedisCluster, RedisServer};
use tokio::runtime::Runtime;

/// A store by a clock that tests move; `APART` where it is a cluster.
pub(crate) struct Still<const APART: bool> {
    pub(crate) running: Running,
    pub(crate) clock: ManualClock,
    _server: Arc<dyn std::any::Any + Send + Sync>,
}

/// A store and the runtime of its task.
pub(crate) struct Running {
    pub(crate) runtime: Runtime,
    pub(crate) store: RedisStore,
}

impl Running {
    pub(crate) fn open(builder: RedisStoreBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let store = builder.open(runtime.handle()).expect("good settings");
        Self { runtime, store }
    }

    /// A store in this server, which has all the time that it needs.
    pub(crate) fn at(url: &str) -> Self {
        Self::open(patient(url))
    }

    pub(crate) fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        self.runtime.block_on(self.store.take(charges))
    }

    pub(crate) fn admit(&self, charges: &[Charge]) -> Taken {
        match self.take(charges).expect("the store answers") {
            Decision::Allow(taken) => taken,
            Decision::Deny(denial) => panic!("denied: {denial:?} of {charges:?}"),
        }
    }

    pub(crate) fn deny(&self, charges: &[Charge]) -> Denial {
        match self.take(charges).expect("the store answers") {
            Decision::Allow(taken) => panic!("admitted: {taken:?} of {charges:?}"),
            Decision::Deny(denial) => denial,
        }
    }

    pub(crate) fn remaining(&self, charge: &Charge) -> u64 {
        self.admit(&[charge.clone().cost(0)]).balances[0].remaining
    }

    pub(crate) fn settle(&self, charges: &[Charge], lease: Lease, actual: &[u64]) -> Result<(), StoreError> {
        let actual: Vec<_> = actual.iter().copied().map(Into::into).collect();
        self.runtime.block_on(self.store.settle(charges, lease, &actual))
    }

    /// Waits until `done` says so: for what real servers do in their own time.
    pub(crate) fn until(&self, what: &str, mut done: impl AsyncFnMut(&RedisStore) -> bool) {
        let wait = async {
            while !done(&self.store).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = self.runtime.block_on(async { tokio::time::timeout(TIMEOUT, wait).await });
        assert!(waited.is_ok(), "not within {TIMEOUT:?}: {what}");
    }
}

impl Still<false> {
    /// In a server of its own database, shared with all who are there at the time.
    pub(crate) fn one() -> Self {
        let server = server();
        let url = server.url();
        Self::at(&url, server)
    }
}

impl Still<true> {
    /// In a cluster.
    pub(crate) fn cluster() -> Self {
        let cluster = cluster();
        let url = cluster.url();
        Self::at(&url, cluster)
    }
}

impl<const APART: bool> Still<APART> {
    fn at(url: &str, server: Arc<dyn std::any::Any + Send + Sync>) -> Self {
        let clock = ahead();
        let running = Running::open(patient(url).clock(clock.clone()));
        Self { running, clock, _server: server }
    }
}

impl<const APART: bool> Subject for Still<APART> {
    type Store = RedisStore;
    const APART: bool = APART;
    const RECORDINGS: u32 = 256;

    fn store(&self) -> &RedisStore {
        &self.running.store
    }

    fn lease(lease: &Lease) -> Lease {
        *lease
    }

    fn now(&self) -> Timestamp {
        whole_micros(self.clock.now())
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

    fn tick(&self) -> u64 {
        MICROSECOND
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.running.runtime.block_on(future)
    }
}

/// A clock that is ahead of the real time.
pub(crate) fn ahead() -> ManualClock {
    let clock = ManualClock::new();
    clock.advance(SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970") - EPOCH + AHEAD);
    clock
}

/// A time as Redis tells it.
pub(crate) fn whole_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_ticks(time.ticks() - time.ticks() % MICROSECOND)
}

/// A server that whoever asks at the same time shares.
pub(crate) fn server() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    shared(&SERVER, RedisServer::start)
}

/// The same for a cluster.
pub(crate) fn cluster() -> Arc<RedisCluster> {
    static CLUSTER: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());
    shared(&CLUSTER, RedisCluster::start)
}

fn shared<T>(known: &Mutex<Weak<T>>, start: impl FnOnce() -> T) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let started = Arc::new(start());
        *known = Arc::downgrade(&started);
        started
    })
}

/// A store with accounts of its own, and a longer timeout than a loaded machine needs.
pub(crate) fn patient(url: &str) -> RedisStoreBuilder {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    RedisStore::builder(url).expect("a good URL").prefix(&prefix).timeout(Duration::from_secs(5))
}

/// A charge on a quota that gives nothing back while a test runs.
pub(crate) fn hourly(key: &str, amount: u64) -> Charge {
    Charge::new(key, Quota::new(amount, Duration::from_secs(3_600)).expect("a good window"))
}

pub(crate) fn slots(key: &str, amount: u64) -> Charge {
    Charge::new(key, Quota::concurrent(amount))
}

/// The epoch of the store's clock, 2020, in time since that of Unix.
const EPOCH: Duration = Duration::from_secs(1_577_836_800);
/// The lead of a test's clock on the real time, so that Redis forgets nothing too early.
const AHEAD: Duration = Duration::from_secs(3_600);
/// In ticks of 1/16 ns.
pub(crate) const MICROSECOND: u64 = 16_000;
const TIMEOUT: Duration = Duration::from_secs(30);
