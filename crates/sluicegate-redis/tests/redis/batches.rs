//! Requests that share a call.

use std::time::Duration;

use futures_util::future::join_all;
use sluicegate::{Algorithm, Charge, Quota, Store};
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient, slots};

#[test]
fn what_waits_together_travels_together() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    store.admit(&[hourly("warm", 9)]);
    let before = store.store.statistics();
    let charges: Vec<[Charge; 1]> = (0..500).map(|caller| [hourly(&format!("caller {caller}"), 1)]).collect();
    let decisions = store.runtime.block_on(join_all(charges.iter().map(|charges| store.store.take(charges))));
    assert!(decisions.into_iter().all(|decision| decision.unwrap().is_allowed()));
    let after = store.store.statistics();
    assert_eq!(after.takes - before.takes, 500);
    let trips = after.round_trips - before.round_trips;
    assert!(trips <= 50, "{trips} round trips for 500 takes");
}

#[test]
fn each_caller_of_a_batch_gets_its_own_answer() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    // The first take reads the mark of the time, and others could overtake it.
    store.admit(&[hourly("warm", 9)]);
    let own = |caller: usize| hourly(&format!("caller {caller}"), 7).cost(u64::try_from(caller % 8).unwrap());
    let charges: Vec<[Charge; 3]> =
        (0..120).map(|caller| [own(caller), hourly("all", 50), slots("gpu", 200)]).collect();
    let decisions = store.runtime.block_on(join_all(charges.iter().map(|charges| store.store.take(charges))));
    let mut admitted = 0;
    for (charges, decision) in charges.iter().zip(decisions) {
        if let Some(taken) = decision.unwrap().allowed() {
            admitted += 1;
            assert_eq!(taken.balances[0].remaining, 7 - charges[0].cost.units(), "{charges:?}");
            assert_eq!(taken.balances[1].remaining, 50 - admitted, "{charges:?}");
        }
    }
    assert_eq!(admitted, 50);
    assert_eq!(store.remaining(&hourly("all", 50)), 0);
    assert_eq!(store.remaining(&slots("gpu", 200)), 150);
}

#[test]
fn a_batch_keeps_redis_for_less_than_half_a_millisecond() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let charges: Vec<[Charge; 1]> =
        (0..2_000).map(|caller| [hourly(&format!("caller {caller}"), 9)]).collect();
    for _ in 0..3 {
        store.runtime.block_on(join_all(charges.iter().map(|charges| store.store.take(charges))));
    }
    let statistics = store.store.statistics();
    // A machine's speed is not a test's to judge; how much a call holds is.
    assert!(statistics.round_trips >= statistics.takes / 100, "{statistics:?}");
}

#[test]
fn a_failed_batch_fails_each_of_its_callers() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).timeout(Duration::from_millis(50)));
    store.until("the store has connected", async |store| store.check().await.is_ok());
    server.pause();
    let charges: Vec<[Charge; 1]> = (0..20).map(|caller| [hourly(&format!("caller {caller}"), 1)]).collect();
    let decisions = store.runtime.block_on(join_all(charges.iter().map(|charges| store.store.take(charges))));
    for decision in decisions {
        let error = decision.expect_err("Redis stands still");
        assert!(error.to_string().contains("did not answer within 50ms"), "{error}");
        assert!(!error.is_misconfiguration());
    }
    server.resume();
}

#[test]
fn a_key_that_holds_something_else_fails_only_the_requests_that_ask_for_it() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).prefix("taken").readable_keys(true));
    store.admit(&[hourly("warm", 1)]);
    server.command(&["SET", "taken:1:{=a}:=a:t", "somebody's own"]);
    server.command(&["RPUSH", "taken:1:{=b}:=b:t", "somebody's", "own"]);
    let names = ["first", "a", "one", "b", "two", "a", "three"];
    let charges = names.map(|name| [hourly(name, 2), hourly("all", 9)]);
    // While the first call waits for its answer, the next ones are collected.
    server.pause();
    let decisions = store.runtime.block_on(async {
        let takes = join_all(charges.iter().map(|charges| store.store.take(charges)));
        tokio::join!(takes, async { server.resume() }).0
    });
    let mut admitted = 0;
    for (name, decision) in names.into_iter().zip(decisions) {
        match decision {
            Err(error) => {
                assert!(name.len() == 1, "{name}: {error}");
                let told =
                    format!("the key taken:1:{{={name}}}:={name}:t holds something that is no account");
                assert!(error.to_string().contains(&told), "{error}");
            }
            Ok(decision) => {
                admitted += 1;
                let taken = decision.allowed().expect("all fit");
                assert_eq!(taken.balances.iter().map(|b| b.remaining).collect::<Vec<_>>(), [1, 9 - admitted]);
            }
        }
    }
    assert_eq!((admitted, store.remaining(&hourly("all", 9))), (4, 5));
    assert_eq!(server.command(&["GET", "taken:1:{=a}:=a:t"]), "somebody's own");
    assert_eq!(server.command(&["TYPE", "taken:1:{=b}:=b:t"]), "list");
}

#[test]
fn what_is_taken_after_a_reset_in_one_call_finds_new_accounts() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let charges = |cost: u64| -> Vec<Charge> {
        let quota = |algorithm| {
            let quota =
                Quota::new(2, Duration::from_secs(3_600)).and_then(|quota| quota.with_algorithm(algorithm));
            quota.expect("a good quota")
        };
        let timed = Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Concurrent);
        let timed = timed.map(|algorithm| Charge::new("alice", quota(algorithm)));
        timed.chain([slots("alice", 2)]).map(|charge| charge.cost(cost)).collect()
    };
    let (all, half) = (charges(2), charges(1));
    store.admit(&all);
    store.deny(&half);
    // While one call waits for its answer, the next ones are collected.
    server.pause();
    let first = [hourly("bob", 1)];
    let (_, reset, taken) = store.runtime.block_on(async {
        let calls = async {
            tokio::join!(store.store.take(&first), store.store.reset(&all), store.store.take(&half))
        };
        tokio::join!(calls, async { server.resume() }).0
    });
    reset.expect("Redis answers");
    let taken = taken.expect("Redis answers").allowed().expect("all accounts are new");
    assert!(taken.balances.iter().all(|balance| balance.remaining == 1), "{:?}", taken.balances);
    assert!(half.iter().all(|charge| store.remaining(charge) == 1));
}
