//! Chunks while the store does not answer.

use std::{num::NonZeroU32, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use sluicegate::{Charge, DenyCache, Fallback, Leased, ManualClock, OutageMode, Resilient};

use super::link::{Link, Shop, exhaust, quota, run, take};

type Network = Leased<Fallback<DenyCache<Link, ManualClock>, ManualClock>, ManualClock>;

fn network(link: &Link, clock: &ManualClock) -> Network {
    let cache = DenyCache::builder(link.clone()).clock(clock.clone()).build();
    let two = NonZeroU32::new(2).expect("not zero");
    let fallback = Fallback::builder(cache).replicas(two).clock(clock.clone()).build();
    Leased::builder(fallback).clock(clock.clone()).build()
}

#[test]
fn a_chunk_is_spent_to_its_end_while_the_store_is_down() {
    let clock = ManualClock::new();
    let link = Link::to(&Arc::new(Shop::new(clock.clone())));
    let network = network(&link, &clock);
    let charge = Charge::new("alice", quota("1000/hour"));
    (0..50).for_each(|_| drop(take(&network, &charge)));
    let idle: u64 = network.statistics().idle.iter().map(|(_, units)| *units).sum();
    assert!(idle > 0);
    link.cut.store(true, Relaxed);

    // Even where an outage is an error.
    let deny = |_| OutageMode::Deny;
    let paid = (0..2_000)
        .take_while(|_| {
            run(network.take_or(std::slice::from_ref(&charge), deny)).is_ok_and(|it| it.is_allowed())
        })
        .count();
    assert_eq!(paid as u64, idle);
    // Then the share of this instance, as without chunks.
    assert_eq!(exhaust(&network, &charge), 500);
}

#[test]
fn a_chunk_is_not_spent_after_its_end() {
    let clock = ManualClock::new();
    let link = Link::to(&Arc::new(Shop::new(clock.clone())));
    let network = network(&link, &clock);
    let charge = Charge::new("alice", quota("1000/hour"));
    (0..50).for_each(|_| drop(take(&network, &charge)));
    link.cut.store(true, Relaxed);
    clock.advance(Duration::from_secs(1));
    let deny = |_| OutageMode::Deny;
    assert!(run(network.take_or(std::slice::from_ref(&charge), deny)).is_err());
}

#[test]
fn a_denial_does_not_long_outlast_the_chunk_that_was_out() {
    let clock = ManualClock::new();
    let store = Arc::new(Shop::new(clock.clone()));
    let (one, two) = (network(&Link::to(&store), &clock), network(&Link::to(&store), &clock));
    let charge = Charge::new("alice", quota("1000 tokens/hour"));
    (0..5).for_each(|_| drop(take(&one, &charge)));
    assert!(take(&two, &charge.clone().cost(995)).is_none());
    clock.advance(Duration::from_millis(250));
    one.tidy();
    // Another instance sees it when its memory of the denial ends, which is as soon for any unit that is settled.
    clock.advance(Duration::from_millis(250));
    assert!(take(&two, &charge.cost(995)).is_some());
}
