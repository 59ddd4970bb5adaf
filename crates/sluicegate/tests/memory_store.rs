//! Promises of the memory store, seen from outside.

use std::{thread, time::Duration};

use sluicegate::{
    Algorithm, Charge, Clock as _, Cost, Decision, Limiter, ManualClock, MemoryStore, Quota, Store, Taken,
    Wait,
};

fn store() -> (MemoryStore<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    (MemoryStore::builder().clock(clock.clone()).build(), clock)
}

fn quota(text: &str) -> Quota {
    text.parse().expect("a quota")
}

fn remaining(decision: &Decision<Taken>) -> Vec<u64> {
    match decision {
        Decision::Allow(taken) => taken.balances.iter().map(|balance| balance.remaining).collect(),
        Decision::Deny(denial) => denial.balances.iter().map(|balance| balance.remaining).collect(),
    }
}

#[test]
fn every_algorithm_admits_its_amount_at_once_and_no_more() {
    for algorithm in Algorithm::ALL {
        let (store, _clock) = store();
        let quota = match algorithm {
            Algorithm::Concurrent => Quota::concurrent(10),
            other => quota("10/minute").with_algorithm(other).unwrap(),
        };
        let charges = [Charge::new("alice", quota)];
        let admitted = (0..30).filter(|_| store.take_now(&charges).is_allowed()).count();
        assert_eq!(admitted, 10, "{algorithm}");
    }
}

#[test]
fn every_decision_tells_its_time_on_the_stores_clock() {
    let (store, clock) = store();
    let each = Algorithm::ALL.map(|algorithm| match algorithm {
        Algorithm::Concurrent => Charge::new("alice", Quota::concurrent(1)),
        other => Charge::new("alice", quota("1/minute").with_algorithm(other).unwrap()),
    });
    let at = |charges: &[Charge]| match store.take_now(charges) {
        Decision::Allow(taken) => taken.at,
        Decision::Deny(denial) => denial.at,
    };
    let buckets = [Charge::new("bob", quota("1/minute")), Charge::new("carol", quota("1/minute"))];
    for charges in each.chunks(1).chain([&buckets[..], &each[..]]) {
        for _ in 0..2 {
            clock.advance(Duration::from_nanos(7));
            assert_eq!(at(charges), store.clock().now(), "{charges:?}");
        }
    }
}

#[test]
fn keys_and_algorithms_have_accounts_of_their_own() {
    let (store, _clock) = store();
    let bucket = quota("1/minute");
    let window = bucket.with_algorithm(Algorithm::FixedWindow).unwrap();
    assert!(store.take_now(&[Charge::new("alice", bucket)]).is_allowed());
    assert!(store.take_now(&[Charge::new("bob", bucket)]).is_allowed());
    assert!(store.take_now(&[Charge::new("alice", window)]).is_allowed());
    assert!(!store.take_now(&[Charge::new("alice", bucket)]).is_allowed());
    assert_eq!(store.len(), 3);
}

#[test]
fn a_denied_request_charges_nothing_anywhere() {
    let (store, _clock) = store();
    let charges = [
        Charge::new("rpm", quota("10/minute")),
        Charge::new("tpm", quota("100 tokens/minute")).cost(60),
        Charge::new("gpu", Quota::concurrent(4)),
    ];
    assert_eq!(remaining(&store.take_now(&charges)), [9, 40, 3]);
    let denied = store.take_now(&charges);
    assert_eq!(denied.denial().unwrap().charge, 1);
    assert_eq!(remaining(&denied), [9, 40, 3], "a denial tells what is left as it is");
    let peek: Vec<Charge> = charges.iter().map(|charge| charge.clone().cost(0)).collect();
    assert_eq!(remaining(&store.take_now(&peek)), [9, 40, 3]);
}

#[test]
fn the_longest_wait_names_the_denial_and_is_exact() {
    let (store, clock) = store();
    let charges = [Charge::new("short", quota("1/second")), Charge::new("long", quota("1/minute"))];
    assert!(store.take_now(&charges).is_allowed());
    let denied = store.take_now(&charges);
    let denial = denied.denial().unwrap();
    assert_eq!((denial.charge, denial.wait), (1, Wait::For(Duration::from_secs(60))));
    assert_eq!(denial.balances[0].wait, Wait::For(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(60) - Duration::from_nanos(1));
    assert!(!store.take_now(&charges).is_allowed());
    clock.advance(Duration::from_nanos(1));
    assert!(store.take_now(&charges).is_allowed());
}

#[test]
fn the_first_of_equal_waits_names_the_denial() {
    let (store, _clock) = store();
    let charges = [Charge::new("a", quota("1/minute")), Charge::new("b", quota("1/minute"))];
    assert!(store.take_now(&charges).is_allowed());
    assert_eq!(store.take_now(&charges).denial().unwrap().charge, 0);
}

#[test]
fn charges_on_one_account_add_up() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingLog] {
        let (store, _clock) = store();
        let quota = quota("10/minute").with_algorithm(algorithm).unwrap();
        let twice = |cost| [Charge::new("alice", quota).cost(cost), Charge::new("alice", quota).cost(cost)];
        let denied = store.take_now(&twice(6));
        assert_eq!(denied.denial().unwrap().wait, Wait::Forever, "6 + 6 never fit into 10: {algorithm}");
        assert_eq!(denied.denial().unwrap().charge, 1);
        assert_eq!(remaining(&store.take_now(&twice(5))), [5, 0], "{algorithm}");
    }
    let (store, _clock) = store();
    let slots = Quota::concurrent(3);
    let charges = [Charge::new("gpu", slots).cost(2), Charge::new("gpu", slots)];
    let taken = store.take_now(&charges).allowed().unwrap();
    assert!(!store.take_now(&charges[1..]).is_allowed());
    store.release(&charges, taken.lease);
    assert_eq!(remaining(&store.take_now(&charges)), [1, 0]);
}

#[test]
fn a_peek_or_a_denial_keeps_no_account() {
    let (store, _clock) = store();
    let peek = Charge::new("alice", quota("10/minute")).cost(0);
    let slots = Charge::new("alice", Quota::concurrent(1)).cost(0);
    assert!(store.take_now(std::slice::from_ref(&peek)).is_allowed());
    assert!(store.take_now(&[peek, slots]).is_allowed());
    assert!(!store.take_now(&[Charge::new("bob", quota("10/minute")).cost(11)]).is_allowed());
    assert_eq!(store.len(), 0);
    assert!(store.take_now(&[]).is_allowed(), "a request without charges passes");
}

#[test]
fn slots_come_back_once_however_often_they_are_given_back() {
    let (store, _clock) = store();
    let charges = [Charge::new("gpu", Quota::concurrent(2))];
    let first = store.take_now(&charges).allowed().unwrap();
    let _second = store.take_now(&charges).allowed().unwrap();
    store.release(&charges, first.lease);
    store.release(&charges, first.lease);
    store.settle_now(&charges, first.lease, &[Cost::ONE]);
    assert!(store.take_now(&charges).is_allowed());
    assert!(!store.take_now(&charges).is_allowed());
}

#[test]
fn dropping_a_permit_frees_its_slots_and_keeps_its_estimate() {
    let (store, _clock) = store();
    let limiter = Limiter::new(store);
    let charges =
        [Charge::new("tpm", quota("100 tokens/minute")).cost(40), Charge::new("gpu", Quota::concurrent(1))];
    let permit = limiter.take_now(&charges).allowed().unwrap();
    assert_eq!(permit.balances()[0].remaining, 60);
    assert_eq!(limiter.take_now(&charges).denial().unwrap().wait, Wait::Release);
    drop(permit);
    let permit = limiter.take_now(&charges).allowed().unwrap();
    assert_eq!(permit.balances()[0].remaining, 20);
}

#[test]
fn settling_refunds_what_was_not_used_and_owes_what_was() {
    let (store, clock) = store();
    let limiter = Limiter::new(store);
    let charges = |cost| {
        [Charge::new("tpm", quota("100 tokens/minute")).cost(cost), Charge::new("gpu", Quota::concurrent(1))]
    };
    limiter.take_now(&charges(80)).allowed().unwrap().settle_now(&[Cost::new(30)]);
    let permit = limiter.take_now(&charges(70)).allowed().unwrap();
    permit.settle_now(&[Cost::new(170)]);
    let denial = limiter.take_now(&charges(1)).denial().cloned().unwrap();
    // 100 of debt and the one that is asked for, at 100 a minute.
    assert_eq!(denial.retry_after(), Some(Duration::from_millis(60_600)));
    clock.advance(Duration::from_millis(60_600));
    assert!(limiter.take_now(&charges(1)).denial().is_none());
}

#[test]
fn a_refund_to_a_forgotten_account_is_dropped_and_a_debt_is_not() {
    let (store, _clock) = store();
    let charges = [Charge::new("alice", quota("10/minute")).cost(4)];
    let lease = store.take_now(&[Charge::new("bob", quota("10/minute"))]).allowed().unwrap().lease;
    store.settle_now(&charges, lease, &[Cost::ONE]);
    assert_eq!(store.len(), 1);
    store.settle_now(&charges, lease, &[Cost::new(9)]);
    assert_eq!(remaining(&store.take_now(&[charges[0].clone().cost(0)])), [5]);
}

#[test]
fn several_limits_are_charged_all_or_none_by_many_threads() {
    const THREADS: u64 = 4;
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock).build();
    // Two limits in opposite orders, and a third that is spent first: each admitted request takes one of all.
    let [a, b] = ["a", "b"].map(|key| Charge::new(key, quota("1000/hour")));
    let c = Charge::new("c", quota("700/hour"));
    let orders = [[a.clone(), b.clone(), c.clone()], [c.clone(), b.clone(), a.clone()]];
    let admitted: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (store, charges) = (&store, &orders[usize::from(thread % 2 == 0)]);
                scope.spawn(move || (0..500).filter(|_| store.take_now(charges).is_allowed()).count() as u64)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 700);
    let peek = [a.cost(0), b.cost(0), c.cost(0)];
    assert_eq!(remaining(&store.take_now(&peek)), [300, 300, 0]);
}

#[test]
fn two_charges_on_one_account_wait_until_both_fit() {
    let (store, clock) = store();
    let quota = quota("10/minute").with_algorithm(Algorithm::SlidingWindow).unwrap();
    let five = Charge::new("alice", quota).cost(5);
    assert!(store.take_now(std::slice::from_ref(&five)).is_allowed());
    let twice = [five.clone(), five];
    let wait = store.take_now(&twice).denial().unwrap().retry_after().unwrap();
    clock.advance(wait - Duration::from_nanos(1));
    assert!(!store.take_now(&twice).is_allowed());
    clock.advance(Duration::from_nanos(1));
    assert!(store.take_now(&twice).is_allowed());
}

#[test]
fn a_reset_account_leaves_its_place_to_another() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().max_keys(1).clock(clock).build();
    for number in 0..1_000 {
        for algorithm in Algorithm::ALL {
            let amount = match algorithm {
                Algorithm::Concurrent => Quota::concurrent(2),
                other => quota("2/day").with_algorithm(other).unwrap(),
            };
            let charges = [Charge::new(number.to_string(), amount)];
            assert!(store.take_now(&charges).is_allowed());
            assert_eq!(store.len(), 1);
            store.reset_now(&charges);
            assert_eq!(store.len(), 0);
        }
    }
    assert_eq!(store.evictions(), 0);
}

#[test]
fn a_cleared_store_is_as_new_but_for_what_it_counts() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().max_keys(64).clock(clock).build();
    let bill = |number: usize| {
        [
            Charge::new(number.to_string(), quota("1/day")),
            Charge::new(number.to_string(), quota("1/day").with_algorithm(Algorithm::FixedWindow).unwrap()),
            Charge::new(number.to_string(), quota("1/day").with_algorithm(Algorithm::SlidingWindow).unwrap()),
            Charge::new(number.to_string(), quota("1/day").with_algorithm(Algorithm::SlidingLog).unwrap()),
            Charge::new("gpu", Quota::concurrent(1_000)),
        ]
    };
    let taken: Vec<_> = (0..500).map(|number| store.take_now(&bill(number)).allowed().unwrap()).collect();
    let (evictions, forgiven) = (store.evictions(), store.forgiven());
    assert!(evictions > 0 && store.len() > 64);

    store.clear();
    assert_eq!((store.len(), store.evictions(), store.forgiven()), (0, evictions, forgiven));
    assert_eq!(remaining(&store.take_now(&bill(499))), [0, 0, 0, 0, 999]);
    store.release(&bill(499), taken[499].lease);
    store.settle_now(&bill(0), taken[0].lease, &[Cost::ZERO; 5]);
    assert_eq!(remaining(&store.take_now(&bill(499)[4..])), [998], "who is inside now stays inside");
    assert_eq!(remaining(&store.take_now(&bill(0))), [0, 0, 0, 0, 997]);
}

#[test]
fn a_crowd_that_is_reset_while_it_comes_and_goes_leaves_no_slot_behind() {
    let store = MemoryStore::new();
    let gpu = [Charge::new("gpu", Quota::concurrent(3))];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let Some(taken) = store.take_now(&gpu).allowed() else { continue };
                    store.release(&gpu, taken.lease);
                }
            });
        }
        scope.spawn(|| (0..2_000).for_each(|_| store.reset_now(&gpu)));
    });
    assert_eq!(store.len(), 0);
    assert_eq!((0..9).filter(|_| store.take_now(&gpu).is_allowed()).count(), 3);
}

#[test]
fn any_number_of_token_buckets_is_charged_together_or_not_at_all() {
    for count in 1..=12 {
        let (store, _clock) = store();
        let all: Vec<Charge> =
            (0..count).map(|number| Charge::new(number.to_string(), quota("10/minute"))).collect();
        for left in [9, 8] {
            assert_eq!(remaining(&store.take_now(&all)), vec![left; count]);
        }
        let last = [all[count - 1].clone().cost(8)];
        assert!(store.take_now(&last).is_allowed());
        let denied = store.take_now(&all);
        assert_eq!(denied.denial().map(|denial| denial.charge), Some(count - 1));
        let mut left = vec![8; count];
        left[count - 1] = 0;
        assert_eq!(remaining(&denied), left, "nothing was charged");
    }
}

#[test]
fn of_several_denials_the_first_with_the_longest_wait_is_named() {
    let (store, clock) = store();
    let charges = ["2/second", "2/hour", "2 per 60 minutes", "2/minute"]
        .map(|text| Charge::new(text, quota(text)).cost(2));
    assert!(store.take_now(&charges).is_allowed());
    clock.advance(Duration::from_secs(30));
    let decision = store.take_now(&charges);
    let denial = decision.denial().expect("three are spent");
    assert_eq!((denial.charge, denial.retry_after()), (1, Some(Duration::from_secs(3_570))));
    assert_eq!(remaining(&decision), [2, 0, 0, 1], "as a peek finds them");
    assert_eq!(denial.balances[0].wait, Wait::None);
    assert_eq!(denial.balances[3].wait, Wait::For(Duration::from_secs(30)));
}

#[test]
fn a_peek_among_charges_is_judged_with_them_and_takes_nothing() {
    let (store, _clock) = store();
    let alice = Charge::new("alice", quota("10/minute"));
    let bob = Charge::new("bob", quota("10/minute"));
    let [peek, none] = [&alice, &bob].map(|charge| charge.clone().cost(0));
    assert_eq!(remaining(&store.take_now(&[none.clone(), alice.clone()])), [10, 9]);
    assert_eq!(store.len(), 1, "a peek needs no account");
    assert_eq!(remaining(&store.take_now(&[peek.clone(), bob.clone()])), [9, 9]);
    assert_eq!(remaining(&store.take_now(&[alice.clone(), peek, bob])), [8, 8, 8]);
    assert_eq!(remaining(&store.take_now(&[none, alice])), [8, 7]);
}

#[test]
fn threads_that_charge_the_same_limits_together_charge_all_of_them() {
    let store = MemoryStore::builder().clock(ManualClock::new()).build();
    let charge = |name: &str| Charge::new(name, quota("100000/day"));
    let [one, other] = [["a", "b", "c"], ["c", "a", "b"]].map(|names| names.map(charge));
    thread::scope(|scope| {
        for charges in [&one, &other, &one] {
            let store = &store;
            scope.spawn(move || assert!((0..5_000).all(|_| store.take_now(charges).is_allowed())));
        }
    });
    assert_eq!(remaining(&store.take_now(&one)), [84_999; 3]);
}

#[test]
fn a_store_for_more_keys_than_the_machine_has_memory_for_is_smaller() {
    let store = MemoryStore::builder().max_keys(usize::MAX).clock(ManualClock::new()).build();
    let charges = [Charge::new("alice", quota("1/minute")), Charge::new("bob", quota("1/minute"))];
    assert!(store.take_now(&charges).is_allowed());
    assert!(!store.take_now(&charges).is_allowed());
    assert_eq!(store.len(), 2);
}
