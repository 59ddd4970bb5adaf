//! Results of requests while the store is down.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Charge, Fallback, Limiter, ManualClock, OutageMode, Quota, Resilient, Taker, Unit, Wait};

use crate::remote::{Bench, Network, Remote, now, quota};

#[test]
fn local_charges_are_taken_from_memory() {
    let bench = Bench::down(1);
    let charges = [Charge::new("alice", quota("3/minute"))];
    let taken = bench.admit(&charges);
    assert_eq!(taken.lease.taker(0), Taker::Memory);
    assert_eq!(taken.balances[0].remaining, 2);
    assert_eq!(bench.exhaust(&charges), 2);
    let denied = bench.decide(&charges);
    assert_eq!(denied.denial().unwrap().wait, Wait::For(Duration::from_secs(20)));
    assert_eq!(bench.store.local().len(), 1);
    assert_eq!(bench.remote.memory.len(), 0);
}

#[test]
fn a_call_that_fails_is_answered_so_before_the_circuit_opens() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Down);
    assert_eq!(bench.admit(&[Charge::new("alice", quota("3/minute"))]).lease.taker(0), Taker::Memory);
    assert!(bench.store.is_up());
    assert_eq!(bench.store.decided_locally(), 1);
}

#[test]
fn allowed_charges_are_taken_nowhere_and_told_as_full() {
    let bench = Bench::down(4);
    let charges =
        [Charge::new("alice", quota("8/minute burst 5")).cost(3), Charge::new("gpu", Quota::concurrent(2))];
    for _ in 0..10 {
        let taken = bench.admit_or(&charges, &[OutageMode::Allow; 2]);
        assert_eq!([0, 1].map(|place| taken.lease.taker(place)), [Taker::Nobody; 2]);
        let told: Vec<_> = taken.balances.iter().map(|balance| (balance.remaining, balance.wait)).collect();
        assert_eq!(told, [(5, Wait::None), (2, Wait::None)]);
        assert!(
            taken
                .balances
                .iter()
                .all(|balance| balance.reset_after.is_zero() && balance.next_after.is_zero())
        );
    }
    assert_eq!((bench.store.local().len(), bench.store.allowed()), (0, 10));
}

#[test]
fn one_denied_charge_denies_the_request_with_an_error() {
    let bench = Bench::of(1);
    let charges = ["alice", "bob", "carol"].map(|key| Charge::new(key, quota("3/minute")));
    let take = || bench.take_or(&charges, &[OutageMode::Local, OutageMode::Deny, OutageMode::Allow]);
    bench.remote.is(Network::Refusing);
    let error = take().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.is_misconfiguration()), ("a wrong password", true));
    (0..4).for_each(|_| drop(take().unwrap_err()));
    bench.clock.advance(Duration::from_millis(30));
    let error = take().unwrap_err();
    assert_eq!(error.to_string(), "the store has not answered for 30 ms: a wrong password");
    assert!(error.is_misconfiguration());
    assert_eq!((bench.store.refused(), bench.store.local().len()), (6, 0));

    bench.remote.is(Network::Down);
    bench.clock.advance(Duration::from_secs(1));
    let error = take().unwrap_err();
    assert_eq!(error.to_string(), "the line is dead", "the probe's own error");
    assert!(!take().unwrap_err().is_misconfiguration());
}

#[test]
fn a_charge_whose_request_names_no_mode_has_the_one_that_the_fallback_gives_it() {
    let clock = ManualClock::new();
    let remote = Remote::new(&clock);
    let modes = |charge: &Charge| match charge.quota.unit() {
        Unit::Tokens => OutageMode::Allow,
        Unit::Usd => OutageMode::Deny,
        _ => OutageMode::Local,
    };
    let store = Fallback::builder(remote.clone()).clock(clock).outage(modes).build();
    let limiter = Limiter::new(store);
    remote.is(Network::Down);
    let [requests, tokens, money] =
        ["1/hour", "1 token/hour", "1 usd/hour"].map(|text| Charge::new("alice", quota(text)));

    let admits = |charges: &[Charge]| now(limiter.take(charges)).map(|decision| decision.allowed().is_some());
    assert!(admits(&[tokens.clone(), requests.clone()]).unwrap());
    assert!(!admits(&[tokens.clone(), requests.clone()]).unwrap(), "memory has given its one");
    assert!((0..3).all(|_| admits(from_ref(&tokens)).unwrap()));
    let error = admits(&[tokens.clone(), money.clone()]).unwrap_err();
    assert!(error.to_string().contains("the line is dead"), "{error}");
    let charges = [tokens, money];
    assert!(
        now(limiter.take_or(&charges, |_| OutageMode::Allow)).is_ok(),
        "what a request names comes first"
    );
}

#[test]
fn modes_mean_nothing_while_the_store_answers() {
    let bench = Bench::of(1);
    let charges = [Charge::new("alice", quota("1/hour")), Charge::new("bob", quota("5/hour"))];
    for _ in 0..2 {
        let asked_for = |_| -> OutageMode { panic!("the store answers") };
        let decision = now(bench.store.take_or(&charges, asked_for)).unwrap();
        assert!(decision.allowed().is_none_or(|taken| taken.lease.memory().is_none()));
    }
    assert_eq!(bench.remaining(&charges[1]), 4);
}

#[test]
fn local_charges_are_taken_all_or_none() {
    let bench = Bench::down(1);
    let spent = Charge::new("spent", quota("1/hour"));
    let [free, other] = ["free", "other"].map(|key| Charge::new(key, quota("5/hour")));
    bench.admit(std::slice::from_ref(&spent));
    let allowed = Charge::new("allowed", quota("7/hour"));
    let charges = [allowed.clone(), free.clone(), allowed, spent, other.clone()];
    let modes =
        [OutageMode::Allow, OutageMode::Local, OutageMode::Allow, OutageMode::Local, OutageMode::Local];
    let decision = bench.take_or(&charges, &modes).unwrap();
    let denial = decision.denial().unwrap();
    assert_eq!((denial.charge, denial.wait), (3, Wait::For(Duration::from_secs(3_600))));
    assert_eq!(denial.balances[3].wait, denial.wait);
    let remaining: Vec<_> = denial.balances.iter().map(|balance| balance.remaining).collect();
    assert_eq!(remaining, [7, 5, 7, 0, 5]);
    assert_eq!([bench.remaining(&free), bench.remaining(&other)], [5, 5]);
}

#[test]
fn a_local_lease_is_settled_and_released_locally() {
    let bench = Bench::down(2);
    let charges = [
        Charge::new("carol", quota("100 tokens/hour")).cost(50),
        Charge::new("alice", quota("100 tokens/hour")).cost(30),
        Charge::new("gpu", Quota::concurrent(2)),
    ];
    let modes = [OutageMode::Allow, OutageMode::Local, OutageMode::Local];
    let calls = bench.remote.calls();
    let first = bench.admit_or(&charges, &modes);
    assert_eq!(first.balances.iter().map(|balance| balance.remaining).collect::<Vec<_>>(), [100, 20, 0]);
    let denied = bench.take_or(&charges, &modes).unwrap();
    assert_eq!(denied.denial().unwrap().charge, 1, "a time is longer than a slot");
    bench.settle(&charges, first.lease, &[1, 10, 1]).unwrap();
    assert_eq!([bench.remaining(&charges[1]), bench.remaining(&charges[2])], [40, 1]);
    let second = bench.admit_or(&charges, &modes);
    sluicegate::Store::release(&bench.store, &charges, second.lease);
    assert_eq!([bench.remaining(&charges[1]), bench.remaining(&charges[2])], [10, 1]);
    assert_eq!((bench.remote.calls(), bench.remote.releases()), (calls, 0));
}

#[test]
fn a_remote_lease_is_settled_and_released_remotely() {
    let bench = Bench::of(2);
    let charges =
        [Charge::new("alice", quota("100 tokens/hour")).cost(30), Charge::new("gpu", Quota::concurrent(2))];
    let [first, second] = [bench.admit(&charges).lease, bench.admit(&charges).lease];
    assert_eq!(first.taker(0), Taker::Store);
    bench.settle(&charges, first, &[10, 1]).unwrap();
    assert_eq!([bench.remaining(&charges[0]), bench.remaining(&charges[1])], [60, 1]);
    bench.go_down();
    sluicegate::Store::release(&bench.store, &charges, second);
    assert_eq!(bench.remote.releases(), 1, "slots are given back to the store even while it is down");
    bench.come_up();
    assert_eq!(bench.remaining(&charges[1]), 2);
}

#[test]
fn what_memory_took_is_remembered_until_it_is_earned_back_however_often_the_store_comes_and_goes() {
    let bench = Bench::down(1);
    let alice = [Charge::new("alice", quota("3/hour"))];
    assert_eq!(bench.exhaust(&alice), 3);
    for _ in 0..10 {
        bench.come_up();
        bench.go_down();
        assert_eq!(bench.exhaust(&alice), 0);
    }
    bench.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(bench.exhaust(&alice), 1, "one is earned in twenty minutes");
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.exhaust(&alice), 3);
}

#[test]
fn memory_is_freed_when_all_that_it_took_is_earned_back() {
    let bench = Bench::down(1);
    let [alice, bob] = ["alice", "bob"].map(|key| [Charge::new(key, quota("3/minute"))]);
    let gpu = [Charge::new("gpu", Quota::concurrent(2))];
    bench.admit(&alice);
    bench.clock.advance(Duration::from_secs(10));
    bench.admit(&bob);
    let slot = bench.admit(&gpu).lease;
    bench.come_up();
    assert_eq!(bench.store.local().len(), 3);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.store.local().len(), 3, "somebody still holds a slot");
    sluicegate::Store::release(&bench.store, &gpu, slot);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.store.local().len(), 0);
}

#[test]
fn what_is_owed_to_memory_is_remembered_until_it_is_paid_off() {
    let bench = Bench::down(1);
    let charges = [Charge::new("alice", quota("60 tokens/hour")).cost(10)];
    let lease = bench.admit(&charges).lease;
    bench.settle(&charges, lease, &[120]).unwrap();
    bench.come_up();
    bench.clock.advance(Duration::from_secs(90 * 60));
    bench.go_down();
    assert_eq!(bench.remaining(&charges[0]), 30, "90 of 120 were paid off");
    bench.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(bench.store.local().len(), 0);
}

#[test]
fn a_lease_that_outlives_its_outage_is_settled_where_it_was_taken() {
    let bench = Bench::down(1);
    let charges =
        [Charge::new("alice", quota("100 tokens/hour")).cost(30), Charge::new("gpu", Quota::concurrent(2))];
    let old = [bench.admit(&charges).lease, bench.admit(&charges).lease];
    bench.come_up();
    let calls = bench.remote.calls();
    bench.settle(&charges, old[0].clone(), &[20, 1]).unwrap();
    sluicegate::Store::release(&bench.store, &charges, old[1].clone());
    assert_eq!((bench.remote.calls(), bench.remote.releases()), (calls, 0), "it is nothing to the store");
    assert_eq!([bench.remaining(&charges[0]), bench.remaining(&charges[1])], [100, 2]);

    bench.go_down();
    assert_eq!([bench.remaining(&charges[0]), bench.remaining(&charges[1])], [50, 2]);
    // Nothing is given back twice.
    let _new = [bench.admit(&[charges[1].clone()]), bench.admit(&[charges[1].clone()])];
    old.into_iter().for_each(|lease| sluicegate::Store::release(&bench.store, &charges, lease));
    assert_eq!(bench.remaining(&charges[1]), 0);
}

#[test]
fn each_answer_is_counted_once() {
    let bench = Bench::down(1);
    let before = bench.store.decided_locally();
    let take = |modes: &[OutageMode]| {
        let charges: Vec<_> = modes.iter().map(|_| Charge::new("alice", quota("9/hour"))).collect();
        let _ = bench.take_or(&charges, modes);
    };
    take(&[OutageMode::Local, OutageMode::Allow]);
    take(&[OutageMode::Allow]);
    take(&[OutageMode::Local, OutageMode::Deny]);
    take(&[]);
    assert_eq!(bench.store.decided_locally() - before, 1);
    assert_eq!((bench.store.allowed(), bench.store.refused()), (2, 1), "a request without charges passes");
    bench.come_up();
    let counted = (bench.store.decided_locally(), bench.store.allowed(), bench.store.refused());
    bench.ask(1);
    assert_eq!(counted, (bench.store.decided_locally(), bench.store.allowed(), bench.store.refused()));
}
