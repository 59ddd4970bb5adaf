//! A store of several servers loses them one by one.

use std::time::Duration;

use sluicegate::{Charge, ManualClock, OutageMode, Quota, ServerState, Store, Taker, Transition};

use crate::remote::{Bench, Network, Remote, quota};

/// A store of three servers, of which this one does not answer.
fn without(server: usize) -> Bench {
    let clock = ManualClock::new();
    let bench = Bench::on(Remote::of(3, &clock), clock, 1);
    bench.remote.server_is(server, Network::Down);
    for _ in 0..5 {
        bench.admit(&[on(server, "nobody", "9/hour").cost(0)]);
    }
    assert!(!bench.store.is_up());
    bench
}

/// A charge on an account of this server.
fn on(server: usize, name: &str, quota_: &str) -> Charge {
    Charge::new(format!("{server}|{name}").as_str(), quota(quota_))
}

fn states(bench: &Bench) -> Vec<(String, Option<bool>, u64, u64)> {
    let state = |ServerState { server, up, errors, outages }| (server, up, errors, outages);
    bench.store.servers().into_iter().map(state).collect()
}

#[test]
fn callers_of_the_others_notice_nothing() {
    let bench = without(1);
    let calls = bench.remote.calls();
    for server in [0, 2] {
        let alice = [on(server, "alice", "5/hour")];
        let admits = |_: &i32| bench.take_or(&alice, &[OutageMode::Deny]).unwrap().is_allowed();
        assert_eq!((0..9).take_while(admits).count(), 5);
        let bob = [on(server, "bob", "5/hour")];
        assert_eq!(bench.admit(&bob).lease.taker(0), Taker::Store);
    }
    assert_eq!(bench.remote.calls(), calls + 6 + 6 + 2);
    assert_eq!((bench.store.decided_locally(), bench.store.refused()), (5, 0), "those of before");
    assert!(bench.take_or(&[on(1, "alice", "5/hour")], &[OutageMode::Deny]).is_err());
}

#[test]
fn each_is_counted_and_told_by_itself() {
    let bench = without(1);
    let name = |number: usize| format!("server-{number}");
    assert_eq!(
        states(&bench),
        [(name(0), Some(true), 0, 0), (name(1), Some(false), 5, 1), (name(2), Some(true), 0, 0)]
    );
    assert_eq!((bench.store.errors(), bench.store.outages()), (5, 1));
    bench.remote.is(Network::Up);
    bench.clock.advance(Duration::from_secs(1));
    bench.admit(&[on(1, "alice", "5/hour")]);
    assert!(bench.store.is_up());
    let told = bench.transitions.lock().unwrap().clone();
    let server = Some("server-1".to_owned());
    let down = Transition::Down { server: server.clone(), error: "the line is dead".to_owned() };
    assert_eq!(told, [down, Transition::Up { server, after: Duration::from_secs(1) }]);
    assert_eq!(
        told[0].to_string(),
        "the store's server server-1 does not answer: the line is dead; its limits follow their outage policy, \
         all others continue as before"
    );
}

#[test]
fn only_requests_that_go_there_probe_it() {
    let bench = without(1);
    bench.remote.is(Network::Up);
    bench.clock.advance(Duration::from_secs(10));
    for server in [0, 2] {
        bench.admit(&[on(server, "alice", "5/hour")]);
    }
    assert!(!bench.store.is_up());
    assert_eq!(bench.admit(&[on(1, "alice", "5/hour")]).lease.taker(0), Taker::Store);
    assert!(bench.store.is_up());
}

#[test]
fn of_a_request_only_the_charges_of_the_dead_one_are_decided_locally() {
    let bench = without(1);
    let charges = [on(0, "alice", "4/hour"), on(1, "alice", "9/hour"), on(2, "alice", "6/hour")];
    let taken = bench.admit(&charges);
    let takers = [0, 1, 2].map(|place| taken.lease.taker(place));
    assert_eq!(takers, [Taker::Store, Taker::Memory, Taker::Store]);
    let remaining: Vec<_> = taken.balances.iter().map(|balance| balance.remaining).collect();
    assert_eq!(remaining, [3, 8, 5]);
    assert_eq!((bench.remote.memory.len(), bench.store.local().len()), (2, 1));

    // The store denies: nothing is taken anywhere.
    assert_eq!(bench.exhaust(&charges), 3);
    let decision = bench.decide(&charges);
    let denial = decision.denial().unwrap();
    assert_eq!(denial.charge, 0);
    let remaining: Vec<_> = denial.balances.iter().map(|balance| balance.remaining).collect();
    assert_eq!(remaining, [0, 5, 2]);
    assert_eq!([1, 2].map(|place: usize| bench.remaining(&charges[place])), [5, 2]);
}

#[test]
fn where_memory_denies_the_store_gets_back_what_it_took() {
    let bench = without(1);
    let charges =
        [on(0, "alice", "9/hour"), Charge::new("0|gpu", Quota::concurrent(2)), on(1, "alice", "3/hour")];
    for _ in 0..3 {
        let lease = bench.admit(&charges).lease;
        bench.store.release(&charges, lease);
    }
    let decision = bench.decide(&charges);
    let denial = decision.denial().unwrap();
    assert_eq!(denial.charge, 2);
    let remaining: Vec<_> = denial.balances.iter().map(|balance| balance.remaining).collect();
    assert_eq!(remaining, [6, 2, 0]);
    assert_eq!([0, 1].map(|place: usize| bench.remaining(&charges[place])), [6, 2]);
}

#[test]
fn a_denial_is_an_error_only_where_its_own_charge_is_out_of_reach() {
    let bench = without(1);
    let [strict, lenient] = [OutageMode::Deny, OutageMode::Local];
    let alice = |server| on(server, "alice", "9/hour");
    let bob = on(1, "bob", "9/hour");
    let taken = bench.admit_or(&[alice(0), bob.clone()], &[strict, lenient]);
    assert_eq!(taken.lease.taker(0), Taker::Store);
    let error = bench.take_or(&[alice(0), bob, alice(1)], &[strict, lenient, strict]).unwrap_err();
    assert!(error.to_string().contains("the line is dead"), "{error}");
    assert_eq!(bench.remaining(&alice(0)), 8, "nobody was asked");
}

#[test]
fn a_request_in_which_a_server_is_lost_takes_the_rest_from_the_others() {
    let clock = ManualClock::new();
    let bench = Bench::on(Remote::of(3, &clock), clock, 1);
    bench.remote.server_is(2, Network::Down);
    let charges = [on(0, "alice", "9/hour"), on(2, "alice", "9/hour"), on(1, "alice", "9/hour")];
    for _ in 0..7 {
        let taken = bench.admit(&charges);
        assert_eq!([0, 1].map(|place| taken.lease.taker(place)), [Taker::Store, Taker::Memory]);
    }
    assert_eq!(
        states(&bench).iter().map(|(_, up, errors, _)| (*up, *errors)).collect::<Vec<_>>(),
        [(Some(true), 0), (Some(true), 0), (Some(false), 5)]
    );
    assert_eq!(charges.each_ref().map(|charge| bench.remaining(charge)), [2; 3], "each was charged once");
}

#[test]
fn all_of_them_may_fail_one_after_the_other() {
    let clock = ManualClock::new();
    let bench = Bench::on(Remote::of(3, &clock), clock, 1);
    bench.remote.is(Network::Down);
    bench.remote.server_is(0, Network::Refusing);
    let charges = [on(0, "alice", "9/hour"), on(1, "alice", "9/hour"), on(2, "alice", "9/hour")];
    let lease = bench.admit(&charges).lease;
    assert_eq!([0, 1, 2].map(|place| lease.taker(place)), [Taker::Memory; 3]);
    assert_eq!(bench.remote.calls(), 2, "the dead ones together, then the one that refuses");
}

#[test]
fn what_is_used_is_settled_where_it_was_taken() {
    let bench = without(1);
    let charges = [
        on(0, "alice", "100 tokens/hour").cost(30),
        on(1, "alice", "100 tokens/hour").cost(30),
        Charge::new("1|gpu", Quota::concurrent(2)),
        on(2, "alice", "100 tokens/hour").cost(30),
        Charge::new("2|gpu", Quota::concurrent(2)),
    ];
    let lease = bench.admit(&charges).lease;
    bench.settle(&charges, lease, &[10, 20, 1, 40]).unwrap();
    assert_eq!(charges.each_ref().map(|charge| bench.remaining(charge)), [90, 80, 2, 60, 2]);

    let lease = bench.admit(&charges).lease;
    bench.remote.is(Network::Up);
    bench.store.release(&charges, lease);
    assert_eq!([2, 4].map(|place: usize| bench.remaining(&charges[place])), [2, 2]);
    assert_eq!(bench.remote.releases(), 1);
}

#[test]
fn a_settlement_that_fails_is_the_failure_of_its_server() {
    let clock = ManualClock::new();
    let bench = Bench::on(Remote::of(3, &clock), clock, 1);
    let charges = [on(0, "alice", "100 tokens/hour"), on(1, "alice", "100 tokens/hour")];
    let lease = bench.admit(&charges).lease;
    bench.remote.server_is(1, Network::Down);
    for _ in 0..5 {
        bench.settle(&charges, lease.clone(), &[2, 2]).unwrap_err();
    }
    assert_eq!(
        states(&bench).iter().map(|(_, up, ..)| *up).collect::<Vec<_>>(),
        [Some(true), Some(false), Some(true)]
    );
}

#[test]
fn a_reset_is_done_where_it_can_be_and_says_where_it_was_not() {
    let bench = without(1);
    let charges = [on(0, "alice", "3/hour"), on(1, "alice", "3/hour")];
    assert_eq!(bench.exhaust(&charges), 3);
    let error = bench.reset(&charges).unwrap_err();
    assert!(error.to_string().contains("the line is dead"), "{error}");
    assert_eq!(charges.each_ref().map(|charge| bench.remaining(charge)), [3, 3]);
    assert!(bench.reset(&charges[..1]).is_ok());
}

#[test]
fn a_server_that_lost_its_accounts_to_another_is_not_waited_for() {
    let bench = without(0);
    bench.remote.replace(0);
    bench.clock.advance(Duration::from_secs(3));
    let lease = bench.admit(&[on(0, "alice", "5/hour")]).lease;
    assert_eq!(lease.taker(0), Taker::Store, "server 1 keeps it now");
    assert!(bench.store.is_up());
    let up: Vec<_> = states(&bench).into_iter().map(|(server, up, ..)| (server, up)).collect();
    let [first, second, third] = [0, 1, 2].map(|number| format!("server-{number}"));
    assert_eq!(up, [(second, Some(true)), (third, Some(true)), (first, None)]);
    let after = Duration::from_secs(3);
    let last = bench.transitions.lock().unwrap().last().cloned();
    assert_eq!(last, Some(Transition::Replaced { server: Some("server-0".to_owned()), after }));
    assert_eq!((bench.store.errors(), bench.store.outages()), (5, 1), "what it did is not forgotten");
}

#[test]
fn any_number_of_charges_is_told_apart() {
    let bench = without(1);
    let charges: Vec<Charge> =
        (0..100).map(|number| on(number % 3, &format!("{number}"), "9 tokens/hour").cost(4)).collect();
    let lease = bench.admit(&charges).lease;
    let taker = |place: usize| if place % 3 == 1 { Taker::Memory } else { Taker::Store };
    assert!((0..100).all(|place| lease.taker(place) == taker(place)), "{lease:?}");
    assert_eq!((bench.remote.memory.len(), bench.store.local().len()), (67, 33));
    let actual: Vec<u64> = (0..100).map(|place| place % 5).collect();
    bench.settle(&charges, lease, &actual).unwrap();
    let left: Vec<u64> = charges.iter().map(|charge| bench.remaining(charge)).collect();
    assert_eq!(left, actual.iter().map(|used| 9 - used).collect::<Vec<_>>());
}
