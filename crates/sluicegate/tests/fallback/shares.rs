//! The share of a quota that one of several instances gives.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge, Quota, Wait};

use crate::remote::{Bench, quota};

/// The quota under each algorithm.
fn each(text: &str) -> impl Iterator<Item = Quota> {
    let timed = Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Concurrent);
    timed.map(move |algorithm| quota(text).with_algorithm(algorithm).expect("no burst of its own"))
}

#[test]
fn each_of_several_gives_its_part_of_a_quota_and_at_least_one_unit() {
    for (replicas, part) in [(1, 12), (2, 6), (5, 2), (12, 1), (100, 1)] {
        for quota in each("12/hour").chain([Quota::concurrent(12)]) {
            let bench = Bench::down(replicas);
            assert_eq!(bench.exhaust(&[Charge::new("alice", quota)]), part, "1/{replicas} of {quota:?}");
        }
    }
    assert_eq!(Bench::down(3).exhaust(&[Charge::new("alice", quota("9/hour"))]), 3);
    assert_eq!(Bench::down(3).exhaust(&[Charge::new("alice", quota("60/hour burst 6"))]), 2);
    assert_eq!(Bench::down(3).exhaust(&[Charge::new("alice", quota("0/hour"))]), 0);
}

#[test]
fn what_the_whole_quota_holds_passes_when_the_share_is_full() {
    for quota in each("10 tokens/second") {
        let bench = Bench::down(5);
        let [large, small] = [8, 1].map(|cost| Charge::new("alice", quota).cost(cost));
        let wait = |charge: &Charge| match bench.decide(from_ref(charge)).denial().expect("denied").wait {
            Wait::For(wait) => wait,
            other => panic!("no time to wait: {other:?} of {quota:?}"),
        };
        let taken = bench.admit(from_ref(&large));
        assert_eq!(taken.balances[0].remaining, 0, "{quota:?}");
        assert_eq!(taken.balances[0].next_after, wait(&small), "{quota:?}");
        // Two come back each second, and six are owed. A log forgets a charge, however large, after a window.
        let log = quota.algorithm() == Algorithm::SlidingLog;
        assert!(wait(&small) >= Duration::from_secs(if log { 1 } else { 3 }), "{quota:?}");
        let until_full = wait(&large);
        bench.clock.advance(until_full - Duration::from_nanos(1));
        assert!(!bench.decide(from_ref(&large)).is_allowed(), "{quota:?}");
        bench.clock.advance(Duration::from_nanos(1));
        assert!(bench.decide(from_ref(&large)).is_allowed(), "{quota:?}");
    }
}

#[test]
fn what_the_whole_quota_does_not_hold_never_fits() {
    for quota in each("10/hour").chain([Quota::concurrent(10)]) {
        let bench = Bench::down(5);
        let charges = |costs: [u64; 2]| costs.map(|cost| Charge::new("alice", quota).cost(cost));
        let decision = bench.decide(&[Charge::new("alice", quota).cost(11)]);
        assert_eq!(decision.denial().unwrap().wait, Wait::Forever, "{quota:?}");
        let decision = bench.decide(&charges([6, 5]));
        let denial = decision.denial().unwrap();
        assert_eq!((denial.charge, denial.wait), (1, Wait::Forever), "6 and 5 never fit into 10: {quota:?}");
        assert!(bench.decide(&charges([6, 4])).is_allowed(), "{quota:?}");
        assert_eq!(bench.remaining(&charges([0, 0])[0]), 0, "{quota:?}");
    }
}

#[test]
fn a_request_beyond_the_share_is_settled_for_what_it_cost() {
    for quota in each("100 tokens/hour") {
        let charge = Charge::new("alice", quota).cost(80);
        for (actual, left) in [(0, 20), (5, 15), (20, 0)] {
            let bench = Bench::down(5);
            let lease = bench.admit(from_ref(&charge)).lease;
            bench.settle(from_ref(&charge), lease, &[actual]).unwrap();
            assert_eq!(bench.remaining(&charge), left, "{actual} of {quota:?}");
        }
        if quota.algorithm() == Algorithm::SlidingLog {
            continue;
        }
        // As many as were estimated change nothing, and more are owed too.
        let next_after = |actual: &[u64]| {
            let bench = Bench::down(5);
            let lease = bench.admit(from_ref(&charge)).lease;
            bench.settle(from_ref(&charge), lease, actual).unwrap();
            bench.admit(&[charge.clone().cost(0)]).balances[0].next_after
        };
        assert_eq!(next_after(&[]), next_after(&[80]), "{quota:?}");
        assert!(next_after(&[119]) > next_after(&[80]), "{quota:?}");
        assert!(next_after(&[41]) < next_after(&[80]), "{quota:?}");
    }
}

#[test]
fn slots_beyond_the_share_are_given_back_together() {
    let bench = Bench::down(5);
    let charges = [Charge::new("gpu", Quota::concurrent(10)).cost(8)];
    let lease = bench.admit(&charges).lease;
    let decision = bench.decide(&charges);
    assert_eq!(decision.denial().unwrap().wait, Wait::Release);
    sluicegate::Store::release(&bench.store, &charges, lease);
    let lease = bench.admit(&charges).lease;
    bench.settle(&charges, lease, &[8]).unwrap();
    assert_eq!(bench.remaining(&charges[0]), 2);
}
