//! Chunks of quotas, lent by Redis.

use std::{sync::Arc, time::Duration};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sluicegate::{
    Algorithm, Charge, Chunk, Clock, Cost, Decision, Fallback, FallbackLease, Lease, Leased, LeasedLease,
    Lender, ManualClock, Quota, Remainder, Store, Timestamp,
};
use sluicegate_redis::RedisStore;
use sluicegate_store_tests::{Subject, lending::LendingStore, suite};
use sluicegate_test_servers::RedisServer;
use tokio::runtime::Runtime;

use super::subject::{MICROSECOND, Running, Still, ahead, patient, server, whole_micros};

/// Redis behind an instance that takes chunks as often and as small as can be.
struct Spending {
    leased: Spender,
    clock: ManualClock,
    runtime: Runtime,
    _server: Arc<RedisServer>,
}

type Spender = Leased<Fallback<RedisStore, ManualClock>, ManualClock>;

mod suite {
    use super::*;

    suite!(Spending::new);
}

/// One thing that happens to the accounts.
#[derive(Clone, Debug)]
enum Event {
    Take(u64),
    /// Both accounts at once.
    Both(u64),
    Lend(u64, Duration),
    /// Of one of the chunks so many quarters are left, and were for so long.
    GiveBack(usize, u64, Duration),
    Settle(usize, u64),
    Reset,
    Wait(Duration),
}

fn event() -> impl Strategy<Value = Event> {
    let wait = prop_oneof![0..50_u64, 0..5_000_u64, 0..2_000_000_u64].prop_map(Duration::from_micros);
    let cost = prop_oneof![3 => 0..4_u64, 1 => 0..60_u64];
    prop_oneof![
        4 => cost.clone().prop_map(Event::Take),
        2 => cost.clone().prop_map(Event::Both),
        4 => (cost, prop_oneof![wait.clone(), Just(Duration::from_secs(1))]).prop_map(|(cost, life)| Event::Lend(cost, life)),
        2 => (0..9_usize, 0..=4_u64, wait.clone()).prop_map(|(chunk, left, ago)| Event::GiveBack(chunk, left, ago)),
        1 => (0..9_usize, 0..80_u64).prop_map(|(taken, actual)| Event::Settle(taken, actual)),
        1 => Just(Event::Reset),
        4 => wait.prop_map(Event::Wait),
    ]
}

#[test]
fn the_script_lends_as_the_model_does() {
    let config = Config { cases: Config::default().cases, failure_persistence: None, ..Config::default() };
    let quota = prop::sample::select(vec![
        ("50/second", Algorithm::TokenBucket),
        ("7/second burst 50", Algorithm::TokenBucket),
        ("50/second", Algorithm::FixedWindow),
        ("50/second", Algorithm::SlidingWindow),
    ]);
    TestRunner::new(config)
        .run(&(quota, prop::collection::vec(event(), 1..40)), |((text, algorithm), events)| {
            let quota: Quota = text.parse().expect("a good quota");
            let quota = quota.with_algorithm(algorithm).expect("an algorithm for it");
            Comparison::of(quota).play(&events);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// A store in Redis and a model of it, by one clock.
struct Comparison {
    still: Still<false>,
    model: LendingStore<ManualClock>,
    charge: Charge,
    other: Charge,
    chunks: Vec<(Charge, Chunk<Lease>, Chunk<Lease>)>,
    taken: Vec<(Charge, Lease, Lease)>,
}

impl Comparison {
    fn of(quota: Quota) -> Self {
        let still = Still::one();
        // The store reads the mark of the time before it lends.
        still.run(still.store().check()).expect("it answers");
        let model = LendingStore::in_steps_of(still.tick(), still.clock.clone());
        let (charge, other) = (Charge::new("alice", quota), Charge::new("bob", quota));
        Self { still, model, charge, other, chunks: vec![], taken: vec![] }
    }

    fn play(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Take(cost) => self.take(&[self.charge.clone().cost(*cost)]),
                Event::Both(cost) => self.take(&[self.charge.clone().cost(*cost), self.other.clone()]),
                Event::Lend(cost, life) => self.lend(*cost, *life),
                Event::GiveBack(place, quarters, ago) if !self.chunks.is_empty() => {
                    self.give_back(*place, *quarters, *ago);
                }
                Event::Settle(place, actual) if !self.taken.is_empty() => {
                    let (charge, ours, models) = self.taken.swap_remove(place % self.taken.len());
                    let (charges, actual) = ([charge], [Cost::new(*actual)]);
                    let settled = self.still.run(self.still.store().settle(&charges, ours, &actual));
                    settled.expect("it answers");
                    self.still.run(self.model.settle(&charges, models, &actual)).expect("it answers");
                }
                Event::Reset => {
                    let accounts = std::slice::from_ref(&self.charge);
                    self.still.run(self.still.store().reset(accounts)).expect("it answers");
                    self.still.run(self.model.reset(accounts)).expect("it answers");
                }
                Event::Wait(by) => self.still.advance(*by),
                Event::GiveBack(..) | Event::Settle(..) => {}
            }
        }
    }

    fn take(&mut self, charges: &[Charge]) {
        let ours = self.still.run(self.still.store().take(charges)).expect("it answers");
        let models = self.still.run(self.model.take(charges)).expect("it answers");
        match (ours, models) {
            (Decision::Allow(ours), Decision::Allow(models)) => {
                assert_eq!(ours.balances, models.balances, "{charges:?}");
                if let [charge] = charges {
                    self.taken.push((charge.clone(), ours.lease, models.lease));
                }
            }
            (Decision::Deny(ours), Decision::Deny(models)) => assert_eq!(ours, models, "{charges:?}"),
            (ours, models) => panic!("{ours:?} and not {models:?} of {charges:?}"),
        }
    }

    fn lend(&mut self, cost: u64, life: Duration) {
        let charge = self.charge.clone().cost(cost.max(1));
        let ours = self.still.run(self.still.store().lend(&charge, life)).expect("it answers");
        let models = self.still.run(self.model.lend(&charge, life)).expect("it answers");
        let facts = |chunk: &Option<Chunk<Lease>>| {
            chunk.as_ref().map(|chunk| {
                let standing = chunk.account.judge(&charge.quota, Cost::ZERO, chunk.lent_at);
                (chunk.lent_at, chunk.ends, standing)
            })
        };
        assert_eq!(facts(&ours), facts(&models), "{charge:?} for {life:?}");
        if let (Some(ours), Some(models)) = (ours, models) {
            self.chunks.push((charge, ours, models));
        }
    }

    fn give_back(&mut self, place: usize, quarters: u64, ago: Duration) {
        let (charge, ours, models) = self.chunks.swap_remove(place % self.chunks.len());
        let left = Cost::new(charge.cost.units() * quarters / 4);
        let floor = (ours.lent_at + ago).ticks().saturating_add(self.still.tick() / 2);
        let rest = Remainder { left, floor: Timestamp::from_ticks(floor) };
        self.still.store().give_back(&charge, ours.lease, rest);
        self.model.give_back(&charge, models.lease, rest);
        // Waits until it is done, by this moment's clock.
        self.take(&[self.charge.clone().cost(0)]);
    }
}

impl Spending {
    fn new() -> Self {
        let (server, clock) = (server(), ahead());
        let Running { runtime, store } = Running::open(patient(&server.url()).clock(clock.clone()));
        // The store reads the mark of the time before it lends.
        runtime.block_on(store.check()).expect("it answers");
        let fallback = Fallback::builder(store).clock(clock.clone()).build();
        let leased = Leased::builder(fallback)
            .share(500_000)
            .life(Duration::from_secs(100))
            .requests(1)
            .ahead(false)
            .clock(clock.clone())
            .build();
        Self { leased, clock, runtime, _server: server }
    }

    /// Waits for the chunk that may be on its way: one that is lent when the clock has moved on is charged for the time
    /// between, which its holder cannot tell from a slow reply.
    fn wait_for_chunk(&self) {
        let quota: Quota = "1/second".parse().expect("a good quota");
        let later = [Charge::new("later", quota).cost(0)];
        let _ = self.runtime.block_on(self.leased.store().take(&later)).expect("it answers");
    }
}

impl Subject for Spending {
    type Store = Spender;
    const APART: bool = true;
    const RECORDINGS: u32 = 256;
    // The worth of each chunk is rounded up.
    const ROUNDING: u64 = 20 * MICROSECOND;

    fn store(&self) -> &Self::Store {
        &self.leased
    }

    fn lease(lease: &LeasedLease<FallbackLease<Lease>>) -> Lease {
        let lease = lease.store().or(lease.chunks()).expect("taken somewhere");
        *lease.store().expect("the store answers")
    }

    fn now(&self) -> Timestamp {
        whole_micros(self.clock.now())
    }

    fn advance(&self, by: Duration) {
        self.wait_for_chunk();
        self.clock.advance(by);
    }

    fn set_back(&self, by: Duration) {
        self.wait_for_chunk();
        self.clock.set_back(by);
    }

    fn set_forward(&self, by: Duration) {
        self.wait_for_chunk();
        self.clock.set_forward(by);
    }

    fn tick(&self) -> u64 {
        MICROSECOND
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}
