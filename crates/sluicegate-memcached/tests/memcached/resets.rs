//! Accounts are forgotten, wherever they are kept.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge, Clock, Quota, Store, SystemClock};
use sluicegate_test_servers::MemcachedServer;

use crate::{
    server::{eventually, names},
    stores::{KEPT, RUNTIME, admit, ask, builder, daily, open, patient, remaining, settle},
};

#[test]
fn accounts_on_several_servers_are_reset_together_and_leave_nothing_behind() {
    let servers = [MemcachedServer::start(), MemcachedServer::start(), MemcachedServer::start()];
    let hosts: Vec<_> = servers.iter().map(|server| server.url().replace("memcached://", "")).collect();
    let store = open(patient(&format!("memcached://{}", hosts.join(","))));
    let keys = (0..60).map(|tenant| format!("rpm|tenant {tenant}"));
    let mut accounts: Vec<_> = keys.map(|key| Charge::new(key, daily(9, Algorithm::TokenBucket))).collect();
    let kept = accounts.split_off(50);
    for charge in accounts.iter().chain(&kept) {
        admit(&store, charge);
    }
    RUNTIME.block_on(store.reset(&accounts)).expect("memcached answers");
    assert!(kept.iter().all(|charge| remaining(&store, charge) == 8));
    RUNTIME.block_on(store.reset(&kept)).expect("memcached answers");
    for server in &servers {
        names(server, 0);
    }
}

#[test]
fn an_instance_that_read_an_account_before_builds_nothing_upon_it() {
    let server = MemcachedServer::start();
    let [one, other] = [(); 2].map(|()| open(patient(&server.url())));
    for algorithm in KEPT {
        let charge = Charge::new("alice", daily(9, algorithm)).cost(5);
        let taken = admit(&one, &charge);
        RUNTIME.block_on(other.reset(from_ref(&charge))).expect("memcached answers");
        assert_eq!(admit(&one, &charge).balances[0].remaining, 4, "{algorithm}");
        RUNTIME.block_on(one.reset(from_ref(&charge))).expect("memcached answers");
        settle(&other, &charge, taken.lease, 0).expect("memcached answers");
        assert_eq!(remaining(&other, &charge), 9, "{algorithm}");
    }
}

#[test]
fn slots_which_it_never_keeps_are_reset_as_they_are() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    let charges =
        [Charge::new("alice", daily(9, Algorithm::FixedWindow)), Charge::new("gpu", Quota::concurrent(3))];
    admit(&store, &charges[0]);
    RUNTIME.block_on(store.reset(&charges)).expect("memcached answers");
    assert_eq!(remaining(&store, &charges[0]), 9);
}

#[test]
fn a_server_that_hangs_fails_a_reset_in_time() {
    let server = MemcachedServer::start();
    let store = open(builder(&server.url()));
    let charge = Charge::new("alice", daily(9, Algorithm::TokenBucket));
    eventually(|| ask(&store, &charge).is_ok(), "memcached answers");
    server.pause();
    let clock = SystemClock::new();
    let begin = clock.now();
    let error = RUNTIME.block_on(store.reset(from_ref(&charge))).expect_err("memcached hangs");
    assert!(!error.is_misconfiguration(), "{error}");
    // A busy machine is given more.
    assert!(clock.now().since(begin) < Duration::from_millis(400), "{:?}", clock.now().since(begin));
    server.resume();
}
