//! In which order waiters are served.

use std::time::Duration;

use proptest::prelude::*;
use sluicegate::{Charge, Limit, ManualClock, MemoryStore, Quota};

use super::crowd::Crowd;

const SECOND: Duration = Duration::from_secs(1);

static A: Limit = Limit::new("a", Quota::per_second(1).burst(10));
static B: Limit = Limit::new("b", Quota::per_second(1).burst(10));

fn crowd() -> Crowd<MemoryStore<ManualClock>> {
    let clock = ManualClock::new();
    Crowd::new(MemoryStore::builder().clock(clock.clone()).build(), clock)
}

/// A crowd of which nothing is left on the accounts of `alice`.
fn spent() -> Crowd<MemoryStore<ManualClock>> {
    let mut crowd = crowd();
    crowd.wait("", [A.charge("alice").cost(10), B.charge("alice").cost(10)]);
    assert_eq!(crowd.admitted().len(), 1);
    crowd
}

#[test]
fn an_expensive_request_is_not_overtaken_by_cheap_ones_that_came_later() {
    let mut crowd = spent();
    crowd.wait("expensive", [A.charge("alice").cost(8)]);
    for name in ["cheap", "cheaper"] {
        crowd.wait(name, [A.charge("alice")]);
    }
    assert!(crowd.admitted().is_empty());
    assert!(crowd.advance(7 * SECOND).is_empty());
    assert_eq!(crowd.advance(SECOND), ["expensive"]);
    assert_eq!(crowd.advance(SECOND), ["cheap"]);
    assert_eq!(crowd.advance(SECOND), ["cheaper"]);
}

#[test]
fn other_accounts_are_not_held_up() {
    let mut crowd = spent();
    crowd.wait("alice", [A.charge("alice")]);
    crowd.wait("bob", [A.charge("bob")]);
    crowd.wait("alice by b", [B.charge("alice").cost(0)]);
    assert_eq!(crowd.admitted(), ["bob", "alice by b"]);
}

#[test]
fn those_who_wait_for_the_same_two_accounts_never_wait_for_each_other() {
    let mut crowd = spent();
    crowd.wait("a, b", [A.charge("alice"), B.charge("alice")]);
    crowd.wait("b, a", [B.charge("alice"), A.charge("alice")]);
    crowd.wait("b", [B.charge("alice")]);
    assert!(crowd.admitted().is_empty());
    for name in ["a, b", "b, a", "b"] {
        assert_eq!(crowd.advance(SECOND), [name]);
    }
}

#[test]
fn a_request_that_is_charged_twice_on_one_account_does_not_wait_for_itself() {
    let mut crowd = crowd();
    crowd.wait("twice", [A.charge("alice"), A.charge("alice")]);
    assert_eq!(crowd.admitted(), ["twice"]);
    crowd.wait("next", [A.charge("alice")]);
    assert_eq!(crowd.admitted(), ["next"]);
}

#[test]
fn who_gives_up_leaves_the_line_and_is_charged_nothing() {
    for leaving in ["first", "second"] {
        let mut crowd = spent();
        for name in ["first", "second", "third"] {
            crowd.wait(name, [A.charge("alice").cost(5)]);
        }
        assert!(crowd.admitted().is_empty());
        crowd.leave(leaving);
        let staying = if leaving == "first" { "second" } else { "first" };
        assert!(crowd.admitted().is_empty());
        assert_eq!(crowd.advance(5 * SECOND), [staying]);
        assert_eq!(crowd.advance(5 * SECOND), ["third"]);
    }
}

#[test]
fn clones_of_a_limiter_stand_in_one_line() {
    let mut crowd = spent();
    crowd.wait("first", [A.charge("alice").cost(5)]);
    crowd.limiter = crowd.limiter.clone();
    crowd.wait("second", [A.charge("alice")]);
    assert!(crowd.admitted().is_empty());
    assert!(crowd.advance(SECOND).is_empty());
    assert_eq!(crowd.advance(4 * SECOND), ["first"]);
}

proptest! {
    #[test]
    fn everybody_is_served_in_the_order_of_their_account(
        requests in prop::collection::vec((0..3_u8, 1..=10_u64, prop::option::of(0..3_u8)), 1..20),
        leaving in prop::collection::hash_set(0..20_usize, 0..5),
    ) {
        const NAMES: [&str; 20] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19",
        ];
        let mut crowd = crowd();
        let charges = |(first, cost, second): (u8, u64, Option<u8>)| -> Vec<Charge> {
            let of = |caller| A.charge(caller).cost(cost);
            std::iter::once(of(first)).chain(second.filter(|second| *second != first).map(of)).collect()
        };
        let requests: Vec<_> = requests.into_iter().map(charges).collect();
        for (name, charges) in NAMES.into_iter().zip(&requests) {
            crowd.wait(name, charges.clone());
        }
        let mut served = crowd.admitted();
        for index in &leaving {
            crowd.leave(NAMES[*index]);
        }
        served.extend(crowd.admitted());
        for _ in 0..200 {
            served.extend(crowd.advance(SECOND));
        }
        let index = |name: &&str| name.parse::<usize>().expect("a number");
        let served: Vec<usize> = served.iter().map(index).collect();
        let left = (0..requests.len()).filter(|index| !served.contains(index));
        prop_assert!(left.into_iter().all(|index| leaving.contains(&index)), "everybody else is served");
        for caller in 0..3_u8 {
            let waits_for = |index: &&usize| requests[**index].iter().any(|charge| charge.key == A.key(caller));
            let line: Vec<_> = served.iter().filter(waits_for).collect();
            prop_assert!(line.is_sorted(), "{line:?}");
        }
    }
}
