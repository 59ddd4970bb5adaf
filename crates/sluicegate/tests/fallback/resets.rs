//! Accounts are forgotten whether the store answers or not.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Charge, Quota};

use crate::remote::{Bench, Network, quota};

#[test]
fn a_reset_goes_to_the_store_and_to_what_memory_took() {
    let bench = Bench::of(1);
    let alice = [Charge::new("alice", quota("3/day"))];
    assert_eq!(bench.exhaust(&alice), 3);
    bench.remote.is(Network::Down);
    assert_eq!(bench.exhaust(&alice), 3);
    assert!(bench.store.is_up(), "four failures in a row");
    bench.remote.is(Network::Up);

    bench.reset(&alice).expect("the store answers");
    assert_eq!(bench.exhaust(&alice), 3);
    bench.remote.is(Network::Down);
    assert_eq!(bench.exhaust(&alice), 3);
}

#[test]
fn a_reset_in_an_outage_is_an_error_and_forgets_what_memory_took() {
    let bench = Bench::down(2);
    let [alice, bob] = ["alice", "bob"].map(|key| Charge::new(key, quota("6/day")));
    for charge in [&alice, &bob] {
        assert_eq!(bench.exhaust(from_ref(charge)), 3, "half of it");
    }
    let calls = bench.remote.calls();
    let error = bench.reset(from_ref(&alice)).expect_err("the store was not asked");
    assert!(error.to_string().contains("the line is dead"), "{error}");
    assert_eq!(bench.remote.calls(), calls, "it costs nobody any time");
    assert_eq!([bench.remaining(&alice), bench.remaining(&bob)], [3, 0]);
}

#[test]
fn slots_that_memory_gave_and_that_were_reset_are_nobodys() {
    let bench = Bench::down(1);
    let gpu = [Charge::new("gpu", Quota::concurrent(2))];
    let before = bench.admit(&gpu);
    bench.reset(&gpu).expect_err("the store is down");
    bench.admit(&gpu);
    sluicegate::Store::release(&bench.store, &gpu, before.lease);
    assert_eq!(bench.remaining(&gpu[0]), 1);
}

#[test]
fn a_reset_that_fails_says_that_the_store_does_not_answer() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Down);
    for failures in 1..=5 {
        assert!(bench.store.is_up());
        bench.reset(&[Charge::new("alice", quota("3/day"))]).expect_err("the line is dead");
        assert_eq!(bench.store.errors(), failures);
    }
    assert!(!bench.store.is_up());
    assert_eq!(bench.store.outages(), 1);
}

#[test]
fn resets_that_are_answered_say_that_it_does() {
    let bench = Bench::of(1);
    let alice = [Charge::new("alice", quota("3/day"))];
    for _ in 0..10 {
        bench.remote.is(Network::Down);
        bench.reset(&alice).expect_err("the line is dead");
        bench.remote.is(Network::Up);
        bench.reset(&alice).expect("it is not");
    }
    assert!(bench.store.is_up(), "no five failures in a row, and no more than half");
}

#[test]
fn a_reset_is_as_good_a_probe_as_any() {
    let bench = Bench::down(1);
    let [alice, bob] = ["alice", "bob"].map(|key| [Charge::new(key, quota("3/day"))]);
    bench.exhaust(&bob);
    bench.clock.advance(Duration::from_secs(1));
    bench.reset(&alice).expect_err("the line is still dead");
    let calls = bench.remote.calls();
    bench.reset(&alice).expect_err("it was asked just now");
    assert_eq!(bench.remote.calls(), calls);

    bench.remote.is(Network::Up);
    bench.clock.advance(Duration::from_secs(1));
    bench.reset(&alice).expect("the store answers");
    assert!(bench.store.is_up());
    bench.go_down();
    assert_eq!([bench.remaining(&alice[0]), bench.remaining(&bob[0])], [3, 0], "bob was not reset");
}
