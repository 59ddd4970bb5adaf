//! The servers that keep accounts, the errors that name them, and connections that end while idle.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use sluicegate::{Algorithm, Backend, Charge, ServerId};
use sluicegate_memcached::MemcachedStore;
use sluicegate_test_servers::{FaultProxy, MemcachedServer};

use crate::{
    server::eventually,
    stores::{KEPT, RUNTIME, admit, ask, builder, daily, open, patient, remaining, take},
};

fn address(server: &MemcachedServer) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Two servers, and a store on both that waits for them for half a second.
fn two() -> ([MemcachedServer; 2], MemcachedStore) {
    let servers = [MemcachedServer::start(), MemcachedServer::start()];
    let url = format!("memcached://{},{}", address(&servers[0]), address(&servers[1]));
    let store = open(builder(&url).timeout(Duration::from_millis(500)));
    eventually(|| RUNTIME.block_on(store.check()).is_ok(), "both answer");
    (servers, store)
}

/// A charge of an account on each of two servers.
fn one_on_each(store: &MemcachedStore, algorithm: Algorithm) -> [Charge; 2] {
    [0, 1].map(|server| {
        let mut charges =
            (0..100).map(|key| Charge::new(format!("{algorithm} {key}"), daily(100, algorithm)));
        charges.find(|charge| store.server(charge) == ServerId::new(server)).expect("one of a hundred")
    })
}

#[test]
fn one_server_is_the_only_one() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    assert_eq!(store.servers(), [(ServerId::ONLY, address(&server))]);
    let charge = Charge::new("alice", daily(9, Algorithm::TokenBucket));
    assert_eq!(store.server(&charge), ServerId::ONLY);
    admit(&store, &charge);
    server.kill();
    eventually(|| ask(&store, &charge).is_err(), "it is gone");
    assert_eq!(ask(&store, &charge).expect_err("it is gone").servers(), [ServerId::ONLY]);
}

#[test]
fn several_servers_go_by_their_places_in_the_url() {
    let (servers, store) = two();
    let all = [(ServerId::new(0), address(&servers[0])), (ServerId::new(1), address(&servers[1]))];
    assert_eq!(store.servers(), all);
    let charges = (0..50).map(|key| Charge::new(format!("{key}"), daily(9, Algorithm::TokenBucket)));
    let used: HashSet<ServerId> = charges.map(|charge| store.server(&charge)).collect();
    assert_eq!(used, HashSet::from([ServerId::new(0), ServerId::new(1)]));
}

#[test]
fn a_server_that_is_gone_is_named_and_what_the_other_has_written_is_given_back() {
    let (servers, store) = two();
    servers[1].kill();
    for algorithm in KEPT {
        let charges = one_on_each(&store, algorithm);
        for _ in 0..10 {
            let error = take(&store, &charges).expect_err("one is gone");
            assert_eq!(error.servers(), [ServerId::new(1)], "{error}");
            assert!(error.to_string().contains(&address(&servers[1])), "{error}");
        }
        eventually(|| remaining(&store, &charges[0]) == 100, "all is given back");
    }
}

#[test]
fn a_server_that_hangs_is_named_and_what_the_other_has_written_is_given_back() {
    let (servers, store) = two();
    let charges = KEPT.map(|algorithm| one_on_each(&store, algorithm));
    // They are in use, so that both servers are written in one round.
    charges.iter().for_each(|charges| drop(take(&store, charges).expect("both answer")));
    servers[1].pause();
    for charges in &charges {
        // Where the machine stalls, all are late, and no server is to blame.
        let blamed = || take(&store, charges).expect_err("one hangs").servers().to_vec();
        eventually(|| blamed() == [ServerId::new(1)], "the one that hangs is named");
        eventually(|| remaining(&store, &charges[0]) == 99, "all is given back");
    }
    servers[1].resume();
    eventually(|| charges.iter().all(|charges| take(&store, charges).is_ok()), "both answer again");
}

#[test]
fn what_is_decided_late_on_two_servers_is_charged_on_neither() {
    let servers = [MemcachedServer::start(), MemcachedServer::start()];
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], servers[1].port())));
    let url = format!("memcached://{},{}", address(&servers[0]), proxy.address());
    let hasty = open(builder(&url).timeout(Duration::from_millis(100)));
    eventually(|| RUNTIME.block_on(hasty.check()).is_ok(), "both answer");
    let charges = KEPT.map(|algorithm| one_on_each(&hasty, algorithm));
    // Both are read in time, and the second is written too late.
    proxy.delay(Duration::from_millis(70), Duration::ZERO);
    for charges in &charges {
        take(&hasty, charges).expect_err("too slow");
    }
    proxy.delay(Duration::ZERO, Duration::ZERO);
    let left = |charge: &Charge| {
        let peek = ask(&hasty, &charge.clone().cost(0)).ok().and_then(sluicegate::Decision::allowed);
        peek.map(|taken| taken.balances[0].remaining)
    };
    eventually(|| charges.iter().flatten().all(|charge| left(charge) == Some(100)), "all is given back");
}

#[test]
fn who_asks_right_after_the_connection_was_lost_is_answered() {
    let server = MemcachedServer::start();
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let store = open(patient(&format!("memcached://{}", proxy.address())));
    let charge = Charge::new("alice", daily(50, Algorithm::FixedWindow));
    for _ in 0..50 {
        admit(&store, &charge);
        proxy.reset();
    }
    assert_eq!(remaining(&store, &charge), 0);
}

#[test]
fn who_asks_after_memcached_has_closed_what_was_idle_is_answered() {
    let server = MemcachedServer::start_with(&["-o", "idle_timeout=1"]);
    let store = open(patient(&server.url()));
    let charge = Charge::new("alice", daily(3, Algorithm::FixedWindow));
    for kicked in 1..=3 {
        admit(&store, &charge);
        let kicks = || {
            let stats = server.command("stats");
            let kicks = stats.iter().find_map(|line| line.strip_prefix("STAT idle_kicks ")?.parse().ok());
            kicks.unwrap_or(0_u64)
        };
        eventually(|| kicks() >= kicked, "memcached has closed the connection");
    }
    assert_eq!(remaining(&store, &charge), 0);
}

#[test]
fn who_asks_right_after_a_restart_is_answered() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    let charge = Charge::new("alice", daily(50, Algorithm::FixedWindow));
    for _ in 0..5 {
        admit(&store, &charge);
        server.kill();
        server.restart();
    }
}
