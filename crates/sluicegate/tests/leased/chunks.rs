//! When chunks are taken, kept and given back.

use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use sluicegate::{Charge, Cost, ManualClock, Store, Unit};

use super::link::{Instance, Link, Shop, exhaust, quota, run, take};

struct Scene {
    clock: ManualClock,
    link: Link,
    leased: Instance,
}

fn scene() -> Scene {
    let clock = ManualClock::new();
    let link = Link::to(&Arc::new(Shop::new(clock.clone())));
    Scene { leased: link.instance(&clock).build(), link, clock }
}

impl Scene {
    fn calls(&self) -> u64 {
        self.link.calls.load(Relaxed)
    }

    /// The amount that the store itself would still give.
    fn remaining(&self, charge: &Charge) -> u64 {
        let peek = run(self.link.store.take(&[charge.clone().cost(0)])).expect("it answers");
        peek.allowed().expect("a peek").balances[0].remaining
    }
}

#[test]
fn a_hot_key_is_decided_without_calls() {
    let scene = scene();
    let charge = Charge::new("alice", quota("100000/minute"));
    for _ in 0..10_000 {
        assert!(take(&scene.leased, &charge).is_some());
    }
    let statistics = scene.leased.statistics();
    assert!(scene.calls() < 60, "{} calls", scene.calls());
    assert!(statistics.decided > 9_990, "{statistics:?}");
}

#[test]
fn a_key_that_is_asked_rarely_gets_no_chunk() {
    let scene = scene();
    let charge = Charge::new("alice", quota("100000/minute"));
    for _ in 0..20 {
        take(&scene.leased, &charge);
        scene.clock.advance(Duration::from_millis(101));
    }
    assert_eq!(scene.leased.statistics().chunks, 0);
}

#[test]
fn a_quota_with_no_room_for_ten_chunks_of_ten_requests_is_not_lent() {
    for (text, cost, chunks) in [
        ("99/minute", 1, false),
        ("1000/minute", 1, true),
        ("1000 tokens/minute", 11, false),
        ("100 tokens/minute burst 1000", 1, true),
        ("8 concurrent", 1, false),
        ("1000/minute burst 50", 1, false),
    ] {
        let scene = scene();
        let charge = Charge::new("alice", quota(text)).cost(cost);
        (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
        assert_eq!(scene.leased.statistics().chunks > 0, chunks, "{cost} of {text}");
    }
}

#[test]
fn all_of_a_quota_is_spent_and_no_more() {
    for text in ["1000/hour", "777 tokens/hour", "5000 items/hour burst 400"] {
        let scene = scene();
        let other = scene.link.instance(&scene.clock).build();
        let charge = Charge::new("alice", quota(text));
        let mut admitted = exhaust(&scene.leased, &charge) as u64;
        admitted += exhaust(&other, &charge) as u64;
        assert!(scene.leased.statistics().chunks > 0);
        assert_eq!(admitted, charge.quota.burst_size(), "of {text}");
    }
}

#[test]
fn what_is_not_used_is_given_back() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000/hour"));
    (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
    assert!(scene.remaining(&charge) < 995);
    scene.clock.advance(Duration::from_millis(250));
    scene.leased.tidy();
    assert_eq!(scene.remaining(&charge), 995);
    assert_eq!(scene.leased.statistics().live_chunks, 0);
}

#[test]
fn an_instance_that_leaves_gives_everything_back() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000/hour"));
    (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
    let store = Arc::clone(&scene.link.store);
    drop(scene.leased);
    let peek = run(store.take(&[charge.cost(0)])).expect("it answers").allowed().expect("a peek");
    assert_eq!(peek.balances[0].remaining, 995);
}

#[test]
fn what_a_crash_leaves_comes_back_as_what_is_spent_does() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000/second"));
    (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
    scene.link.cut.store(true, Relaxed);
    let charged = 1_000 - scene.remaining(&charge);
    assert!(charged > 5);
    // The chunk is out for a second, and then as good as spent.
    scene.clock.advance(Duration::from_millis(999));
    assert!(scene.remaining(&charge) < 1_000);
    scene.clock.advance(Duration::from_millis(1 + charged));
    assert_eq!(scene.remaining(&charge), 1_000);
}

#[test]
fn what_is_spent_late_of_a_chunk_is_not_earned_back_early() {
    let clock = ManualClock::new();
    let link = Link::to(&Arc::new(Shop::new(clock.clone())));
    let leased = link.instance(&clock).ahead(false).build();
    let charge = Charge::new("alice", quota("1000/second"));
    (0..2).for_each(|_| drop(take(&leased, &charge)));
    clock.advance(Duration::from_millis(240));
    let late = (0..9).filter_map(|_| take(&leased, &charge)).filter(|lease| lease.chunks().is_some()).count();
    assert!(late > 0);
    drop(leased);
    assert_eq!(late + exhaust(&link.instance(&clock).build(), &charge), 1_000);
}

#[test]
fn units_that_end_unspent_are_counted() {
    let scene = scene();
    let charge = Charge::new("alice", quota("100000 tokens/minute"));
    (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
    let idle = |statistics: &[(Unit, u64)]| statistics.iter().map(|(_, units)| *units).sum::<u64>();
    let left = idle(&scene.leased.statistics().idle);
    assert!(left > 0);
    scene.clock.advance(Duration::from_secs(1));
    scene.leased.tidy();
    let statistics = scene.leased.statistics();
    assert_eq!((idle(&statistics.idle), idle(&statistics.expired)), (0, left));
    assert!(statistics.expired.contains(&(Unit::Tokens, left)));
}

#[test]
fn a_chunk_of_another_quota_is_given_back() {
    let scene = scene();
    let before = Charge::new("alice", quota("1000/hour"));
    (0..5).for_each(|_| drop(take(&scene.leased, &before)));
    let after = Charge::new("alice", quota("500/hour"));
    take(&scene.leased, &after);
    // But for a new chunk, which is idle soon.
    scene.clock.advance(Duration::from_millis(250));
    scene.leased.tidy();
    // One of 500 is worth two of a thousand.
    assert_eq!(scene.remaining(&before), 993);
}

#[test]
fn a_request_that_costs_more_than_a_chunk_gets_what_is_there() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000 tokens/hour"));
    (0..5).for_each(|_| drop(take(&scene.leased, &charge)));
    assert!(take(&scene.leased, &charge.clone().cost(995)).is_some());
    assert!(take(&scene.leased, &charge).is_none());
}

#[test]
fn a_denied_request_spends_nothing_of_a_chunk() {
    let scene = scene();
    let (wide, narrow) = (Charge::new("wide", quota("1000/hour")), Charge::new("narrow", quota("10/hour")));
    let both = [wide.clone(), narrow];
    let admitted =
        (0..100).filter(|_| run(scene.leased.take(&both)).is_ok_and(|decision| decision.is_allowed()));
    assert_eq!(admitted.count(), 10);
    assert_eq!(exhaust(&scene.leased, &wide), 990);
}

#[test]
fn what_chunks_paid_is_settled_in_the_store() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000 tokens/hour")).cost(5);
    let lease = (0..5).filter_map(|_| take(&scene.leased, &charge)).last().expect("there is enough");
    assert!(lease.chunks().is_some());
    run(scene.leased.settle(std::slice::from_ref(&charge), lease, &[Cost::ONE])).expect("it answers");
    assert_eq!(exhaust(&scene.leased, &charge.clone().cost(1)), 979);

    run(scene.leased.reset(std::slice::from_ref(&charge))).expect("it answers");
    let lease = (0..5).filter_map(|_| take(&scene.leased, &charge)).last().expect("there is enough");
    run(scene.leased.settle(std::slice::from_ref(&charge), lease, &[Cost::new(105)])).expect("it answers");
    assert_eq!(exhaust(&scene.leased, &charge.cost(1)), 875);
}

#[test]
fn a_reset_leaves_no_chunk_behind() {
    let scene = scene();
    let charge = Charge::new("alice", quota("1000/hour"));
    (0..50).for_each(|_| drop(take(&scene.leased, &charge)));
    run(scene.leased.reset(std::slice::from_ref(&charge))).expect("it answers");
    assert_eq!(exhaust(&scene.leased, &charge), 1_000);
}

#[test]
fn without_room_a_key_is_asked_for_call_by_call() {
    let clock = ManualClock::new();
    let link = Link::to(&Arc::new(Shop::new(clock.clone())));
    let leased = link.instance(&clock).max_keys(1).build();
    for key in ["alice", "bob"] {
        (0..5).for_each(|_| drop(take(&leased, &Charge::new(key, quota("1000/hour")))));
    }
    assert_eq!(leased.statistics().live_chunks, 1);
}
