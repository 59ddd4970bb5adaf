//! Never more than the quota, whatever happens to instances, messages and clocks.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use sluicegate::{Algorithm, Charge, Clock, ManualClock, Quota, Store, Timestamp};

use super::link::{Instance, Link, Shop, run, take};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// An instance is asked so often for so much.
    Ask(usize, u64, usize),
    Wait(Duration),
    /// The server's clock is set forward or back.
    Step(i64),
    /// Nothing comes back to an instance, or nothing arrives from it, until it is whole again.
    Deafen(usize),
    Cut(usize),
    Mend(usize),
    /// An instance dies without a word, or leaves, and another takes its place.
    Crash(usize),
    Leave(usize),
    Tidy(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let instance = 0..INSTANCES;
    prop_oneof![
        12 => (instance.clone(), prop_oneof![4 => Just(1_u64), 1 => 1..30_u64], 1..40_usize)
            .prop_map(|(instance, cost, times)| Event::Ask(instance, cost, times)),
        6 => prop_oneof![0..20_u64, 0..400_u64, 0..3_000_u64].prop_map(|ms| Event::Wait(Duration::from_millis(ms))),
        1 => (-2_000..2_000_i64).prop_map(Event::Step),
        1 => instance.clone().prop_map(Event::Deafen),
        1 => instance.clone().prop_map(Event::Cut),
        2 => instance.clone().prop_map(Event::Mend),
        1 => instance.clone().prop_map(Event::Crash),
        1 => instance.clone().prop_map(Event::Leave),
        1 => instance.prop_map(Event::Tidy),
    ]
}

/// Instances on one store, and what they admitted.
struct Scene {
    shop: Arc<Shop>,
    /// Time as it passes, by which instances count, and the server's clock.
    time: ManualClock,
    server: ManualClock,
    instances: Vec<(Link, Option<Instance>)>,
    charge: Charge,
    admitted: Vec<Admitted>,
    steps: Vec<(Timestamp, Duration)>,
    by_chunks: usize,
}

struct Admitted {
    at: Timestamp,
    /// The end of the window on the server's clock.
    window: Timestamp,
    cost: u64,
}

impl Scene {
    fn new(quota: Quota) -> Self {
        let (time, server) = (ManualClock::new(), ManualClock::new());
        server.advance(Duration::from_secs(3_600));
        let shop = Arc::new(Shop::new(server.clone()));
        let charge = Charge::new("alice", quota);
        let mut scene = Self {
            shop,
            time,
            server,
            instances: vec![],
            charge,
            admitted: vec![],
            steps: vec![],
            by_chunks: 0,
        };
        for _ in 0..INSTANCES {
            let instance = scene.start();
            scene.instances.push(instance);
        }
        scene
    }

    fn start(&self) -> (Link, Option<Instance>) {
        let link = Link::to(&self.shop);
        let instance = link.instance(&self.time).share(400_000).life(LIFE).requests(2).build();
        (link, Some(instance))
    }

    fn play(&mut self, event: &Event) {
        use std::sync::atomic::Ordering::Relaxed;
        match event {
            Event::Ask(place, cost, times) => {
                for _ in 0..*times {
                    self.ask(*place, *cost);
                }
            }
            Event::Wait(by) => {
                self.time.advance(*by);
                self.server.advance(*by);
            }
            Event::Step(ms) => {
                let before = self.server.now();
                let by = Duration::from_millis(ms.unsigned_abs());
                if *ms > 0 {
                    self.server.set_forward(by);
                } else {
                    self.server.set_back(by);
                }
                self.steps.push((self.time.now(), self.server.now().since(before)));
            }
            Event::Deafen(place) => self.instances[*place].0.deaf.store(true, Relaxed),
            Event::Cut(place) => self.instances[*place].0.cut.store(true, Relaxed),
            Event::Mend(place) => {
                self.instances[*place].0.deaf.store(false, Relaxed);
                self.instances[*place].0.cut.store(false, Relaxed);
            }
            Event::Crash(place) => {
                self.instances[*place].0.cut.store(true, Relaxed);
                self.instances[*place] = self.start();
            }
            Event::Leave(place) => self.instances[*place] = self.start(),
            Event::Tidy(place) => self.instances[*place].1.iter().for_each(Instance::tidy),
        }
    }

    fn ask(&mut self, place: usize, cost: u64) {
        let charge = self.charge.clone().cost(cost);
        let Some(lease) = self.instances[place].1.as_ref().and_then(|instance| take(instance, &charge))
        else {
            return;
        };
        self.by_chunks += usize::from(lease.chunks().is_some());
        let peek = run(self.shop.take(&[self.charge.clone().cost(0)])).expect("it answers");
        let until = peek.allowed().expect("a peek").balances[0].reset_after;
        let (at, window) = (self.time.now(), self.server.now() + until);
        self.admitted.push(Admitted { at, window, cost });
    }

    /// In any time no more than the burst and what comes back in it; and once more what a step forward of the server's
    /// clock gives, until the chunks of that time have ended.
    fn check_bucket(&self) {
        let quota = &self.charge.quota;
        let (amount, window) = (u128::from(quota.amount()), quota.window().as_nanos());
        for (place, first) in self.admitted.iter().enumerate() {
            let mut sum = 0;
            for last in &self.admitted[place..] {
                sum += u128::from(last.cost);
                let steps = self.steps.iter().filter(|(at, _)| *at + LIFE >= first.at && *at <= last.at);
                let given: Duration = steps.map(|(_, by)| *by).sum();
                let passed = last.at.since(first.at) + given;
                let most = u128::from(quota.burst_size()) * window + amount * passed.as_nanos();
                // A bucket holds a tick more for each unit.
                let most = most + most / 1_000_000;
                assert!(sum * window <= most, "{sum} within {passed:?} of {quota}");
            }
        }
    }

    /// No window has more than its amount.
    fn check_windows(&self) {
        let most = self.charge.quota.amount();
        for first in &self.admitted {
            let same = self.admitted.iter().filter(|other| other.window == first.window);
            let sum: u64 = same.map(|other| other.cost).sum();
            assert!(sum <= most, "{sum} of {} in one window", self.charge.quota);
        }
    }
}

fn quota(burst: u64, algorithm: Algorithm) -> Quota {
    let quota = Quota::new(200, Duration::from_secs(2)).and_then(|quota| quota.with_algorithm(algorithm));
    let quota = quota.expect("a good quota");
    if burst == 200 { quota } else { quota.with_burst(burst).expect("a bucket") }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_never_gives_more_than_its_burst_and_what_comes_back(
        burst in prop::sample::select(vec![20_u64, 50, 200, 1_000]),
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut scene = Scene::new(quota(burst, Algorithm::TokenBucket));
        events.iter().for_each(|event| scene.play(event));
        scene.check_bucket();
    }

    #[test]
    fn a_window_never_gives_more_than_its_amount(
        algorithm in prop::sample::select(vec![Algorithm::FixedWindow, Algorithm::SlidingWindow]),
        events in prop::collection::vec(event().prop_filter("a window is the server's", |event| !matches!(event, Event::Step(_))), 1..80),
    ) {
        let mut scene = Scene::new(quota(200, algorithm));
        events.iter().for_each(|event| scene.play(event));
        scene.check_windows();
    }
}

/// The tests above would pass if chunks paid nothing.
#[test]
fn chunks_pay_for_most_of_what_is_asked_often() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let mut scene = Scene::new(quota(200, algorithm));
        for round in 0..300 {
            scene.play(&Event::Ask(round % INSTANCES, 1, 1));
            scene.play(&Event::Wait(Duration::from_millis(9)));
        }
        let (all, by_chunks) = (scene.admitted.len(), scene.by_chunks);
        assert!(by_chunks * 10 >= all * 7, "{by_chunks} of {all} by {algorithm}");
    }
}

const INSTANCES: usize = 3;
const LIFE: Duration = Duration::from_secs(1);
