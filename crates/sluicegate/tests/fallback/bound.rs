//! The total that is admitted.

use std::{ops::Range, time::Duration};

use proptest::prelude::*;
use sluicegate::{Charge, Clock, ManualClock, MemoryStore, Quota, Timestamp};

use crate::remote::{Bench, Network, Remote};

/// Admitted units, and the times of their admission.
type Admitted = Vec<(Timestamp, u64)>;

/// One request to one of the instances, after so many milliseconds.
#[derive(Clone, Debug)]
struct Request {
    gap: u64,
    instance: usize,
    cost: u64,
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    requests_of(1..4)
}

fn requests_of(cost: Range<u64>) -> impl Strategy<Value = Vec<Request>> {
    let gap = prop_oneof![6 => Just(0), 3 => 0..40_u64, 1 => 0..2_000_u64];
    let request = (gap, 0..8_usize, cost).prop_map(|(gap, instance, cost)| Request { gap, instance, cost });
    prop::collection::vec(request, 1..300)
}

/// A bucket per second, which holds at least three units for each of eight instances.
fn quotas() -> impl Strategy<Value = Quota> {
    quotas_of(24..100)
}

fn quotas_of(units: Range<u64>) -> impl Strategy<Value = Quota> {
    (units.clone(), units).prop_map(|(amount, burst)| {
        Quota::new(amount, Duration::from_secs(1))
            .and_then(|quota| quota.with_burst(burst))
            .expect("a good quota")
    })
}

/// The most that any span of time admitted beyond the quota's rate.
fn most_beyond_the_rate(admitted: &Admitted, quota: &Quota) -> f64 {
    most_beyond(admitted, quota.amount() as f64)
}

/// The most that any span of time admitted beyond so many units each second.
fn most_beyond(admitted: &Admitted, rate: f64) -> f64 {
    let seconds = |time: Timestamp| time.since(Timestamp::EPOCH).as_secs_f64();
    let mut most = 0.0_f64;
    for (first, (from, _)) in admitted.iter().enumerate() {
        let mut units = 0;
        for (to, cost) in &admitted[first..] {
            units += cost;
            let earned = (seconds(*to) - seconds(*from)) * rate;
            most = most.max(units as f64 - earned);
        }
    }
    most
}

/// Many instances on one remote store.
struct Instances {
    benches: Vec<Bench>,
    remote: Remote,
    clock: ManualClock,
    admitted: Admitted,
}

impl Instances {
    fn of(replicas: u32) -> Self {
        let clock = ManualClock::new();
        let remote = Remote::new(&clock);
        let benches = (0..replicas).map(|_| Bench::on(remote.clone(), clock.clone(), replicas)).collect();
        Self { benches, remote, clock, admitted: Vec::new() }
    }

    fn play(&mut self, requests: &[Request], quota: Quota) {
        for Request { gap, instance, cost } in requests {
            self.clock.advance(Duration::from_millis(*gap));
            let bench = &self.benches[instance % self.benches.len()];
            if bench.decide(&[Charge::new("alice", quota).cost(*cost)]).is_allowed() {
                self.admitted.push((self.clock.now(), *cost));
            }
        }
    }
}

proptest! {
    #[test]
    fn all_instances_together_admit_no_more_than_the_quota_while_the_store_is_down(
        replicas in 1..=8_u32,
        quota in quotas(),
        requests in requests(),
    ) {
        let mut instances = Instances::of(replicas);
        instances.remote.is(Network::Down);
        instances.play(&requests, quota);
        let most = most_beyond_the_rate(&instances.admitted, &quota);
        let bound = quota.burst_size() as f64 * ROUNDING + f64::from(replicas);
        prop_assert!(most <= bound, "{} above the rate, of at most {}", most, bound);
        prop_assert_eq!(instances.remote.memory.len(), 0);
    }

    #[test]
    fn what_costs_more_than_a_share_is_paid_off_at_the_quotas_rate(
        replicas in 1..=8_u32,
        quota in quotas(),
        requests in requests_of(1..100),
    ) {
        let mut instances = Instances::of(replicas);
        instances.remote.is(Network::Down);
        instances.play(&requests, quota);
        let most = most_beyond_the_rate(&instances.admitted, &quota);
        let share = quota.shared(replicas.try_into().expect("some"));
        let beyond = instances.admitted.iter().map(|(_, cost)| cost.saturating_sub(share.burst_size())).max();
        let bound = quota.burst_size() as f64 * ROUNDING + f64::from(replicas) * (1.0 + beyond.unwrap_or(0) as f64);
        prop_assert!(most <= bound, "{} above the rate, of at most {}", most, bound);
    }

    #[test]
    fn however_often_servers_come_and_go_an_account_admits_at_most_twice_its_quota_and_others_exactly_theirs(
        servers in 1..=4_usize,
        replicas in 1..=4_u32,
        quota in quotas_of(4..12),
        events in prop::collection::vec(event(), 1..400),
    ) {
        let mut cluster = Cluster::of(servers, replicas, quota);
        for event in &events {
            cluster.play(event);
        }
        let per_instance = f64::from(replicas);
        for (server, admitted) in cluster.admitted.iter().enumerate() {
            let (bursts, bound) = match server {
                Cluster::STEADY => (1.0, quota.burst_size() as f64 * ROUNDING),
                _ => (2.0, 2.0 * quota.burst_size() as f64 * ROUNDING + per_instance),
            };
            let most = most_beyond(admitted, bursts * quota.amount() as f64);
            prop_assert!(most <= bound, "{} above the rate on server {}, of at most {}", most, server, bound);
        }
    }
}

/// An event on a store of several servers.
#[derive(Clone, Debug)]
enum Event {
    /// A request to one of the instances, after so many milliseconds, for one unit on each of these servers.
    Request { gap: u64, instance: usize, servers: Vec<usize> },
    /// An edge of one of the servers.
    Edge { server: usize, network: Network },
    /// The clock is set by so many milliseconds, back or forward.
    Step(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let gap = prop_oneof![9 => Just(0), 3 => 0..40_u64, 1 => 0..2_000_u64];
    let servers = prop::collection::vec(0..4_usize, 1..4);
    let request = (gap, 0..8_usize, servers);
    let networks = vec![Network::Up, Network::Up, Network::Down, Network::Slow];
    prop_oneof![
        12 => request.prop_map(|(gap, instance, servers)| Event::Request { gap, instance, servers }),
        1 => (0..4_usize, prop::sample::select(networks)).prop_map(|(server, network)| Event::Edge { server, network }),
        1 => (-5_000..1_000_i64).prop_map(Event::Step),
    ]
}

/// Several instances on a store of several servers, of which the first always answers. One account lives on each.
struct Cluster {
    instances: Instances,
    servers: usize,
    quota: Quota,
    /// The admitted requests on each server's account.
    admitted: Vec<Admitted>,
    /// The account on the steady server, as one process alone would have kept it.
    oracle: MemoryStore<ManualClock>,
}

impl Cluster {
    /// The server that always answers.
    const STEADY: usize = 0;

    fn of(servers: usize, replicas: u32, quota: Quota) -> Self {
        let clock = ManualClock::new();
        let remote = Remote::of(servers, &clock);
        let benches = (0..replicas).map(|_| Bench::on(remote.clone(), clock.clone(), replicas)).collect();
        let oracle = MemoryStore::builder().clock(clock.clone()).build();
        let instances = Instances { benches, remote, clock, admitted: Vec::new() };
        Self { instances, servers, quota, admitted: vec![Vec::new(); servers], oracle }
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Step(milliseconds) => {
                let by = Duration::from_millis(milliseconds.unsigned_abs());
                if milliseconds.is_negative() {
                    self.instances.clock.set_back(by);
                } else {
                    self.instances.clock.set_forward(by);
                }
            }
            Event::Edge { server, network } => {
                let server = server % self.servers;
                if server != Self::STEADY {
                    self.instances.remote.server_is(server, *network);
                }
            }
            Event::Request { gap, instance, servers } => {
                self.instances.clock.advance(Duration::from_millis(*gap));
                let mut servers: Vec<usize> = servers.iter().map(|server| server % self.servers).collect();
                servers.sort_unstable();
                servers.dedup();
                let charge = |server: &usize| Charge::new(format!("{server}|alice").as_str(), self.quota);
                let charges: Vec<Charge> = servers.iter().map(charge).collect();
                let bench = &self.instances.benches[instance % self.instances.benches.len()];
                let is_allowed = bench.decide(&charges).is_allowed();
                if servers == [Self::STEADY] {
                    assert_eq!(is_allowed, self.oracle.take_now(&charges).is_allowed(), "no outage was here");
                } else if is_allowed && servers[0] == Self::STEADY {
                    assert!(
                        self.oracle.take_now(&charges[..1]).is_allowed(),
                        "more than the quota was admitted"
                    );
                }
                for server in servers.into_iter().filter(|_| is_allowed) {
                    self.admitted[server].push((self.instances.clock.now(), 1));
                }
            }
        }
    }
}

#[test]
fn a_store_that_fails_now_and_then_and_the_memory_admit_at_most_twice_the_quota() {
    let quota = Quota::new(10, Duration::from_secs(1)).expect("a good quota");
    let mut instances = Instances::of(1);
    let request = [Request { gap: 1, instance: 0, cost: 1 }];
    for call in 0..10_000 {
        instances.remote.is(if call % 3 == 0 { Network::Down } else { Network::Up });
        instances.play(&request, quota);
    }
    assert_eq!(instances.benches[0].store.outages(), 0);
    assert_eq!(instances.admitted.len(), 2 * (10 + 100) - 2, "both end just before one more is due");
}

/// A bucket may hold a thousandth more than its burst.
const ROUNDING: f64 = 1.0 + 1.0 / 1_024.0;
