//! How much passes in all.

use std::{ops::Range, time::Duration};

use proptest::prelude::*;
use sluicegate::{Charge, Clock, ManualClock, Quota, Timestamp};

use crate::remote::{Bench, Network, Remote};

/// What was admitted, and when.
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
    (24..100_u64, 24..100_u64).prop_map(|(amount, burst)| {
        Quota::new(amount, Duration::from_secs(1))
            .and_then(|quota| quota.with_burst(burst))
            .expect("a good quota")
    })
}

/// The most that any span of time admitted beyond the quota's rate.
fn most_beyond_the_rate(admitted: &Admitted, quota: &Quota) -> f64 {
    let seconds = |time: Timestamp| time.since(Timestamp::EPOCH).as_secs_f64();
    let mut most = 0.0_f64;
    for (first, (from, _)) in admitted.iter().enumerate() {
        let mut units = 0;
        for (to, cost) in &admitted[first..] {
            units += cost;
            let earned = (seconds(*to) - seconds(*from)) * quota.amount() as f64;
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
        let bound = quota.burst() as f64 * ROUNDING + f64::from(replicas);
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
        let beyond = instances.admitted.iter().map(|(_, cost)| cost.saturating_sub(share.burst())).max();
        let bound = quota.burst() as f64 * ROUNDING + f64::from(replicas) * (1.0 + beyond.unwrap_or(0) as f64);
        prop_assert!(most <= bound, "{} above the rate, of at most {}", most, bound);
    }

    #[test]
    fn each_edge_of_an_outage_lets_through_at_most_one_more_burst(
        replicas in 1..=8_u32,
        quota in quotas(),
        phases in prop::collection::vec(requests(), 2..6),
    ) {
        let mut instances = Instances::of(replicas);
        let mut edges = 0;
        for (phase, requests) in phases.iter().enumerate() {
            if phase.is_multiple_of(2) {
                instances.remote.is(Network::Up);
            } else {
                instances.remote.is(Network::Down);
            }
            instances.play(requests, quota);
            edges = phase;
            let most = most_beyond_the_rate(&instances.admitted, &quota);
            let bursts = edges as f64 + 1.0;
            let bound = (quota.burst() as f64 * ROUNDING + f64::from(replicas)) * bursts;
            prop_assert!(most <= bound, "{} above the rate after {} edges, of at most {}", most, edges, bound);
        }
        prop_assert!(edges > 0);
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
