//! Settlements arrive, each once.

use std::time::Duration;

use sluicegate::{Cost, Decision, Store};
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient};

#[test]
fn a_settlement_waits_for_redis_to_come_back() {
    let server = RedisServer::builder().aof().start();
    let store = Running::at(&server.url());
    let charges = [hourly("tokens", 100).cost(80)];
    let taken = store.admit(&charges);
    server.kill();
    store.runtime.block_on(async {
        let used = [Cost::new(30)];
        let mut settle = std::pin::pin!(store.store.settle(&charges, taken.lease, &used));
        let early = tokio::time::timeout(Duration::from_millis(200), settle.as_mut()).await;
        assert!(early.is_err(), "settled in a server that is down");
        server.restart();
        settle.await.expect("it arrives");
    });
    assert_eq!(store.remaining(&charges[0]), 70);
}

#[test]
fn nobody_needs_to_wait_for_a_settlement() {
    let server = RedisServer::builder().aof().start();
    let store = Running::at(&server.url());
    let charges = [hourly("tokens", 100).cost(80)];
    let taken = store.admit(&charges);
    server.kill();
    store.runtime.block_on(async {
        let used = [Cost::new(30)];
        let settle = store.store.settle(&charges, taken.lease, &used);
        assert!(tokio::time::timeout(Duration::from_millis(50), settle).await.is_err());
    });
    server.restart();
    store.until("it is settled", async |store| {
        let peek = store.take(&[charges[0].clone().cost(0)]).await.ok().and_then(Decision::allowed);
        peek.is_some_and(|taken| taken.balances[0].remaining == 70)
    });
}

#[test]
fn a_settlement_keeps_nobody_waiting() {
    let server = RedisServer::builder().aof().start();
    let store = Running::open(patient(&server.url()).timeout(Duration::from_millis(20)));
    store.until("the store has connected", async |store| store.check().await.is_ok());
    let charges = [hourly("tokens", 100).cost(80)];
    let taken = store.admit(&charges);
    server.pause();
    store.settle(&charges, taken.lease, &[30]).expect("it is on its way");
    server.resume();
    store.until("it is settled", async |store| {
        let peek = store.take(&[charges[0].clone().cost(0)]).await.ok().and_then(Decision::allowed);
        peek.is_some_and(|taken| taken.balances[0].remaining == 70)
    });
    assert_eq!(store.store.statistics().lost_settlements, 0);
}

#[test]
fn a_settlement_that_is_tried_twice_counts_once() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    for (used, left) in [(30, 70), (130, 0)] {
        let charges = [hourly(&format!("tokens {used}"), 100).cost(80), hourly(&format!("more {used}"), 9)];
        let taken = store.admit(&charges);
        for _ in 0..3 {
            store.settle(&charges, taken.lease, &[used, 3]).unwrap();
        }
        assert_eq!(store.remaining(&charges[0]), left);
        assert_eq!(store.remaining(&charges[1]), 6);
        // Another request is another settlement.
        let taken = store.admit(&charges[1..]);
        store.settle(&charges[1..], taken.lease, &[0]).unwrap();
        assert_eq!(store.remaining(&charges[1]), 6);
    }
}
