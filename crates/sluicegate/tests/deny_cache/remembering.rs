//! The denials that are remembered, and for how long.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge, DenyCache, Quota, Store, Wait};

use crate::inner::{Asker, Denied, Inner, now, quota};

const TIMED: [Algorithm; 4] =
    [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog];

fn kept(text: &str, algorithm: Algorithm) -> Quota {
    quota(text).with_algorithm(algorithm).expect("no burst of its own")
}

#[test]
fn an_attacked_key_costs_the_store_one_question_for_each_wait() {
    for algorithm in TIMED {
        let asker = Asker::new();
        let charges = [Charge::new("alice", kept("1/second", algorithm))];
        let mut admitted = 0;
        for _ in 0..10_000 {
            admitted += u64::from(asker.take(&charges).is_allowed());
            asker.advance(Duration::from_millis(1));
        }
        // Each is admitted, then denied once. A sliding window's second request waits for the first to fade.
        assert!((5..=10).contains(&admitted), "{admitted} by {algorithm}");
        assert_eq!(asker.inner.takes() as u64, 2 * admitted, "{algorithm}");
        assert_eq!(asker.cache.hits(), 10_000 - 2 * admitted, "{algorithm}");
    }
}

#[test]
fn what_is_remembered_is_told_as_the_store_would_tell_it() {
    for algorithm in TIMED {
        let asker = Asker::new();
        let charges = [Charge::new("alice", kept("4/minute", algorithm))];
        asker.advance(Duration::from_secs(7));
        asker.exhaust(&charges);
        for milliseconds in [0, 1, 3_000, 5_000] {
            asker.advance(Duration::from_millis(milliseconds));
            let told = asker.deny(&charges);
            let asked = asker.inner.memory.take_now(&charges).denial().expect("denied").clone();
            assert_eq!((told.denial, told.remembered), (asked, true), "{algorithm}");
        }
    }
}

#[test]
fn a_denial_is_remembered_until_its_wait_is_over() {
    for algorithm in TIMED {
        let asker = Asker::new();
        let charges = [Charge::new("alice", kept("4/minute", algorithm))];
        let Wait::For(wait) = asker.exhaust(&charges).wait else { panic!("no time to wait: {algorithm}") };
        asker.advance(wait - Duration::from_nanos(1));
        assert!(asker.deny(&charges).remembered, "{algorithm}");
        asker.advance(Duration::from_nanos(1));
        assert!(asker.take(&charges).is_allowed(), "{algorithm}");
    }
}

#[test]
fn a_wait_is_counted_from_before_the_store_was_asked() {
    let asker = Asker::new();
    let charges = [Charge::new("alice", quota("1/minute"))];
    asker.admit(&charges);
    *asker.inner.way.lock().expect("nobody panicked") = Duration::from_millis(5);
    assert_eq!(asker.deny(&charges).wait, Wait::For(Duration::from_millis(59_995)));
    *asker.inner.way.lock().expect("nobody panicked") = Duration::ZERO;
    assert_eq!(asker.deny(&charges).wait, Wait::For(Duration::from_millis(59_990)));
    asker.advance(Duration::from_millis(59_989));
    assert!(asker.deny(&charges).remembered);
    asker.advance(Duration::from_millis(1));
    assert!(!asker.deny(&charges).remembered, "five milliseconds too early, and not too late");
}

#[test]
fn what_another_cache_remembers_is_left_to_it() {
    let store = Inner::new();
    let clock = store.clock.clone();
    let inner = DenyCache::builder(store.clone()).clock(clock.clone()).cap(Duration::from_secs(1)).build();
    let outer = DenyCache::builder(inner).clock(clock.clone()).build();
    let charges = [Charge::new("alice", quota("1/minute"))];
    let denies = || !now(outer.take(&charges)).expect("it answers").is_allowed();
    assert!(!denies() && denies());
    outer.clear();
    assert!(denies() && denies());
    assert_eq!((outer.hits(), outer.store().hits(), store.takes()), (0, 2, 2));
    clock.advance(Duration::from_secs(1));
    assert!(denies() && denies());
    assert_eq!((outer.hits(), outer.store().hits(), store.takes()), (1, 2, 3), "the store decided again");
}

#[test]
fn a_denial_by_slots_is_not_remembered() {
    let asker = Asker::new();
    let charges = [Charge::new("alice", quota("5/minute")), Charge::new("gpu", Quota::concurrent(1))];
    let lease = asker.admit(&charges).lease;
    assert_eq!(asker.deny(&charges).wait, Wait::Release);
    assert_eq!(asker.deny(&[charges[1].clone().cost(2)]).wait, Wait::Forever);
    sluicegate::Store::release(&asker.cache, &charges, lease);
    assert!(asker.take(&charges).is_allowed());
    assert!(!asker.deny(&[charges[1].clone().cost(2)]).remembered);
}

#[test]
fn what_never_fits_is_remembered_for_a_second() {
    for algorithm in TIMED {
        let asker = Asker::new();
        let charges = [Charge::new("alice", kept("4/minute", algorithm)).cost(5)];
        assert!(!asker.deny(&charges).remembered);
        asker.advance(Duration::from_millis(999));
        assert!(asker.deny(&charges).remembered, "{algorithm}");
        assert_eq!(asker.deny(&[charges[0].clone().cost(6)]).wait, Wait::Forever);
        asker.advance(Duration::from_millis(1));
        assert!(!asker.deny(&charges).remembered, "{algorithm}");
        assert!(asker.take(&[charges[0].clone().cost(4)]).is_allowed(), "{algorithm}");
    }
}

#[test]
fn a_denial_by_a_unit_that_is_settled_is_remembered_for_the_refund_cap() {
    for unit in ["tokens", "input_tokens", "output_tokens", "usd"] {
        for cap in [None, Some(Duration::from_millis(40))] {
            let asker = Asker::set_up(|builder| match cap {
                None => builder,
                Some(cap) => builder.refund_cap(cap),
            });
            let quota = quota(&format!("1 {unit}/minute"));
            let charges = [Charge::new("alice", quota).cost(quota.burst_size())];
            asker.admit(&charges);
            asker.deny(&charges);
            asker.advance(cap.unwrap_or(Duration::from_millis(250)) - Duration::from_nanos(1));
            assert!(asker.deny(&charges).remembered, "{unit}");
            asker.advance(Duration::from_nanos(1));
            assert!(!asker.deny(&charges).remembered, "{unit}");
        }
    }
    for unit in ["requests", "items", "bytes"] {
        let asker = Asker::new();
        let charges = [Charge::new("alice", quota(&format!("1 {unit}/minute")))];
        asker.exhaust(&charges);
        asker.advance(Duration::from_secs(59));
        assert!(asker.deny(&charges).remembered, "{unit}");
    }
}

#[test]
fn any_denial_is_remembered_no_longer_than_the_cap() {
    let charge = Charge::new("alice", quota("1/minute"));
    let bills = [charge.clone(), charge.clone().cost(2), Charge::new("alice", quota("1 tokens/minute"))];
    for bill in bills {
        let asker = Asker::set_up(|builder| builder.cap(Duration::from_millis(100)));
        asker.exhaust(from_ref(&bill));
        asker.advance(Duration::from_millis(100) - Duration::from_nanos(1));
        assert!(asker.deny(from_ref(&bill)).remembered, "{bill:?}");
        asker.advance(Duration::from_nanos(1));
        assert!(!asker.deny(from_ref(&bill)).remembered, "{bill:?}");
    }
}

#[test]
fn a_peek_is_asked_of_the_store() {
    let asker = Asker::new();
    let charge = Charge::new("alice", quota("3/minute"));
    let never = charge.clone().cost(4);
    asker.deny(from_ref(&never));
    asker.exhaust(from_ref(&charge));
    let takes = asker.inner.takes();
    for times in 1..=3 {
        asker.admit(&[charge.clone().cost(0)]);
        assert_eq!(asker.inner.takes(), takes + times);
    }
    assert!(asker.deny(from_ref(&charge)).remembered, "and ends nothing");
}

#[test]
fn another_bill_is_asked_of_the_store() {
    let asker = Asker::new();
    let charge = Charge::new("alice", quota("3/minute"));
    let other = Charge::new("other", quota("9/minute"));
    asker.exhaust(from_ref(&charge));
    let bills = [
        vec![Charge::new("bob", charge.quota)],
        vec![Charge::new("alice", kept("3/minute", Algorithm::FixedWindow))],
        vec![Charge::new("alice", quota("3/hour"))],
        vec![charge.clone(), other.clone()],
        vec![other.clone(), charge.clone()],
        vec![charge.clone(), charge.clone()],
    ];
    for bill in bills {
        let takes = asker.inner.takes();
        let _ = asker.take(&bill);
        assert_eq!(asker.inner.takes(), takes + 1, "{bill:?}");
    }
}

#[test]
fn a_greater_cost_of_a_bucket_waits_as_long_as_the_store_would_say() {
    let asker = Asker::new();
    let charge = Charge::new("alice", quota("60/minute"));
    let of = |cost| [charge.clone().cost(cost)];
    asker.admit(&of(60));
    assert_eq!(asker.deny(&of(7)).wait, Wait::For(Duration::from_secs(7)));
    asker.advance(Duration::from_secs(2));
    let takes = asker.inner.takes();
    for cost in [7, 8, 60] {
        let denial = asker.deny(&of(cost));
        assert!(denial.remembered);
        assert_eq!(denial.wait, Wait::For(Duration::from_secs(cost - 2)));
    }
    assert_eq!(asker.inner.takes(), takes);
    assert_eq!(asker.deny(&of(61)).wait, Wait::Forever, "which the store knows");
    asker.deny(&of(7));
    assert!(asker.take(&of(2)).is_allowed(), "a smaller one may fit");
}

#[test]
fn another_cost_under_another_algorithm_is_asked_of_the_store() {
    for algorithm in TIMED.into_iter().filter(|algorithm| *algorithm != Algorithm::TokenBucket) {
        let asker = Asker::new();
        let charge = Charge::new("alice", kept("10/minute", algorithm));
        asker.admit(&[charge.clone().cost(8)]);
        asker.deny(&[charge.clone().cost(4)]);
        assert!(!asker.deny(&[charge.clone().cost(5)]).remembered, "{algorithm}");
        assert!(!asker.deny(&[charge.clone().cost(3)]).remembered, "{algorithm}");
        assert!(asker.take(&[charge.cost(2)]).is_allowed(), "{algorithm}");
    }
}

#[test]
fn another_charge_may_cost_what_remained() {
    let asker = Asker::new();
    let requests = Charge::new("requests", quota("1/hour"));
    let tokens = |cost| Charge::new("tokens", quota("100 tokens/minute")).cost(cost);
    asker.admit(&[requests.clone(), tokens(20)]);
    asker.deny(&[requests.clone(), tokens(50)]);
    let takes = asker.inner.takes();
    for cost in [50, 1, 80, 0] {
        let denial = asker.deny(&[requests.clone(), tokens(cost)]);
        assert!(denial.remembered);
        assert_eq!((denial.charge, denial.balances[1].wait), (0, Wait::None));
    }
    assert_eq!(asker.inner.takes(), takes);
    let denial = asker.deny(&[requests, tokens(81)]);
    assert!(!denial.remembered);
    assert_ne!(denial.balances[1].wait, Wait::None);
}

#[test]
fn two_charges_on_one_account_are_remembered_at_their_costs_alone() {
    for algorithm in TIMED {
        let asker = Asker::new();
        let charge = Charge::new("alice", kept("10/minute", algorithm));
        let of = |costs: [u64; 2]| costs.map(|cost| charge.clone().cost(cost));
        asker.admit(&[charge.clone().cost(3)]);
        asker.deny(&of([4, 5]));
        assert!(asker.deny(&of([4, 5])).remembered, "{algorithm}");
        assert!(!asker.deny(&of([5, 5])).remembered, "{algorithm}");
        assert!(asker.take(&of([1, 5])).is_allowed(), "{algorithm}");
    }
}

#[test]
fn a_shorter_wait_ends_before_the_longest() {
    let asker = Asker::new();
    let charges = [Charge::new("short", quota("1/second")), Charge::new("long", quota("1/minute"))];
    asker.admit(&charges);
    asker.deny(&charges);
    asker.advance(Duration::from_millis(400));
    let waits = |denial: Denied| denial.balances.iter().map(|balance| balance.wait).collect::<Vec<_>>();
    let after = |milliseconds| Wait::For(Duration::from_millis(milliseconds));
    assert_eq!(waits(asker.deny(&charges)), [after(600), after(59_600)]);
    asker.advance(Duration::from_secs(1));
    assert_eq!(waits(asker.deny(&charges)), [Wait::None, after(58_600)]);
    assert_eq!(asker.cache.hits(), 2);
}

#[test]
fn where_there_is_no_room_the_denial_that_ends_soonest_goes() {
    let asker = Asker::set_up(|builder| builder.max_keys(3));
    let of = |key: &str| {
        let seconds = key.parse().expect("seconds");
        [Charge::new(key, Quota::new(1, Duration::from_secs(seconds)).expect("a good window"))]
    };
    for key in ["50", "20", "40"] {
        asker.exhaust(&of(key));
    }
    asker.exhaust(&of("30"));
    assert!(["50", "40", "30"].into_iter().all(|key| asker.deny(&of(key)).remembered));
    assert!(!asker.deny(&of("20")).remembered, "it made room, and takes it back from the next");
    assert!(["50", "40"].into_iter().all(|key| asker.deny(&of(key)).remembered));
    assert!(!asker.deny(&of("30")).remembered);
}

#[test]
fn no_more_denials_are_remembered_than_there_is_room_for() {
    let asker = Asker::set_up(|builder| builder.max_keys(100));
    let of = |key: usize| [Charge::new(key.to_string(), quota("1/hour"))];
    (0..1_000).for_each(|key| drop(asker.exhaust(&of(key))));
    let hits = asker.cache.hits();
    (0..1_000).rev().for_each(|key| drop(asker.deny(&of(key))));
    let remembered = asker.cache.hits() - hits;
    assert!((20..=100).contains(&remembered), "{remembered} of 100");
}

#[test]
fn a_request_of_very_many_charges_is_not_remembered() {
    let asker = Asker::new();
    let charges: Vec<_> = (0..9).map(|key: usize| Charge::new(key.to_string(), quota("1/minute"))).collect();
    asker.exhaust(&charges);
    assert!(!asker.deny(&charges).remembered);
    asker.exhaust(&charges[..8]);
    assert!(asker.deny(&charges[..8]).remembered);
}

#[test]
fn a_cache_without_room_asks_the_store_each_time_and_passes_everything_on() {
    let asker = Asker::set_up(|builder| builder.max_keys(0));
    let charges = [Charge::new("alice", quota("2/minute"))];
    let taken = asker.admit(&charges);
    asker.exhaust(&charges);
    for _ in 0..5 {
        assert!(!asker.deny(&charges).remembered);
    }
    assert_eq!((asker.inner.takes(), asker.cache.hits()), (9, 0));
    asker.settle(&charges, taken.lease, &[0]);
    asker.admit(&charges);
    asker.reset(&charges);
    assert_eq!(asker.admit(&charges).balances[0].remaining, 1);
    asker.cache.clear();
}
