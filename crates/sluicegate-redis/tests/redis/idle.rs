//! Connections that end while nobody asks anything.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sluicegate::{Charge, Cost, Store};
use sluicegate_test_servers::{RedisCluster, RedisSentinel, RedisServer};

use super::subject::{Running, hourly, patient};

/// The connections of stores to a server: the tests' own have another user.
fn connections(server: &RedisServer) -> Vec<String> {
    let clients = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
    let ours = clients.lines().filter(|client| client.contains(" user=default "));
    ours.filter_map(|client| Some(client.split(' ').next()?.to_owned())).collect()
}

fn kill(server: &RedisServer) {
    server.command(&["CLIENT", "KILL", "USER", "default"]);
}

/// Waits until a connection has taken another's place, although nobody asks anything.
fn replaced(store: &Running, server: &RedisServer, before: &[String]) {
    store.until("the connection was replaced", async |_| {
        let now = connections(server);
        !now.is_empty() && now.iter().all(|connection| !before.contains(connection))
    });
}

#[test]
fn connections_that_redis_closes_for_being_idle_are_replaced_before_anybody_asks() {
    let server = RedisServer::builder().line("timeout 1").start();
    let store = Running::at(&server.url());
    let charges = [hourly("alice", 3)];
    for _ in 0..3 {
        store.admit(&charges);
        replaced(&store, &server, &connections(&server));
    }
    store.deny(&charges);
    assert_eq!(store.store.statistics().lost_settlements, 0);
}

#[test]
fn a_connection_that_is_killed_is_replaced_before_anybody_asks() {
    let plain = RedisServer::start();
    let local = RedisServer::builder().unix_socket().start();
    for server in [&plain, &local] {
        let store = Running::at(&server.url());
        store.admit(&[hourly("alice", 9)]);
        let before = connections(server);
        kill(server);
        replaced(&store, server, &before);
        assert_eq!(store.remaining(&hourly("alice", 9)), 8);
    }
}

#[test]
fn a_connection_with_tls_that_is_killed_is_replaced_before_anybody_asks() {
    if !RedisServer::speaks_tls() {
        return;
    }
    let server = RedisServer::builder().tls().start();
    let store = Running::open(patient(&server.url()).ca(server.ca()));
    store.admit(&[hourly("alice", 9)]);
    let before = connections(&server);
    kill(&server);
    replaced(&store, &server, &before);
    assert_eq!(store.remaining(&hourly("alice", 9)), 8);
}

#[test]
fn a_connection_to_a_node_or_to_sentinels_primary_is_replaced_before_anybody_asks() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let sentinel = RedisSentinel::start();
    for (url, server) in [(cluster.url(), &cluster.nodes()[1]), (sentinel.url(), sentinel.primary())] {
        let store = Running::at(&url);
        store.until("it has connected to all", async |store| {
            store.check().await.is_ok() && !connections(server).is_empty()
        });
        let before = connections(server);
        kill(server);
        replaced(&store, server, &before);
    }
}

#[test]
fn who_asks_right_after_the_connection_was_killed_is_answered() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let charges = [hourly("alice", 60)];
    for _ in 0..60 {
        store.admit(&charges);
        let before = connections(&server);
        // As if nobody had asked for a while.
        store.until("it is idle", {
            let asked = tokio::time::Instant::now();
            async move |_| asked.elapsed() > Duration::from_millis(60)
        });
        kill(&server);
        store.until("it is gone", async |_| connections(&server).iter().all(|left| !before.contains(left)));
    }
    store.deny(&charges);
}

#[test]
fn who_asks_right_after_a_restart_is_answered() {
    let server = RedisServer::builder().aof().start();
    let store = Running::at(&server.url());
    let charges = [hourly("alice", 4)];
    for _ in 0..4 {
        store.admit(&charges);
        server.kill();
        server.restart();
    }
    store.deny(&charges);
}

#[test]
fn a_restart_is_told_without_a_word_about_tls() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    store.admit(&[hourly("alice", 9)]);
    server.pause();
    let told = thread::scope(|scope| {
        let asking =
            scope.spawn(|| store.take(&[hourly("alice", 9)]).expect_err("it dies before it answers"));
        // What is asked is on its way when its other side has something to read.
        let asked = || store.store.statistics().round_trips >= 2;
        store.until("it was asked", async |_| asked());
        server.kill();
        asking.join().expect("no panic").to_string()
    });
    assert!(told.contains("no connection to Redis at 127.0.0.1"), "{told}");
    assert!(!told.contains("TLS") && !told.contains("rediss"), "{told}");
    let told = store.take(&[hourly("alice", 9)]).expect_err("nobody is there").to_string();
    assert!(!told.contains("TLS") && !told.contains("rediss"), "{told}");
}

#[test]
fn connections_that_are_killed_under_load_lose_no_settlement_and_make_none_twice() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let killing = AtomicBool::new(true);
    let settled: Vec<Charge> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut killed = 0;
            while killing.load(Ordering::Relaxed) {
                let takes = store.store.statistics().takes;
                if takes >= killed + 8 {
                    kill(&server);
                    killed = takes;
                }
                thread::yield_now();
            }
        });
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let store = &store;
                scope.spawn(move || {
                    let mut settled = Vec::new();
                    for turn in 0..40 {
                        let charge = hourly(&format!("tokens|{caller} {turn}"), 100).cost(50);
                        let charges = [charge];
                        // Nobody knows what became of a call that was sent when the connection broke.
                        let Ok(Some(taken)) = store.take(&charges).map(sluicegate::Decision::allowed) else {
                            continue;
                        };
                        let used = [Cost::new(7)];
                        let settle = store.store.settle(&charges, taken.lease, &used);
                        store.runtime.block_on(settle).expect("it is carried");
                        settled.extend(charges);
                    }
                    settled
                })
            })
            .collect();
        let settled = callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect();
        killing.store(false, Ordering::Relaxed);
        settled
    });
    assert!(!settled.is_empty());
    store.until("all are settled", async |store| {
        for charge in &settled {
            let peek =
                store.take(&[charge.clone().cost(0)]).await.ok().and_then(sluicegate::Decision::allowed);
            if peek.is_none_or(|taken| taken.balances[0].remaining != 93) {
                return false;
            }
        }
        true
    });
    assert_eq!(store.store.statistics().lost_settlements, 0);
}
