//! Redis goes away, and comes back.

use std::time::Duration;

use sluicegate::{Charge, Store};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient};

async fn answers(store: &RedisStore) -> bool {
    store.take(&[hourly("anything", 9).cost(0)]).await.is_ok()
}

fn spent(store: &Running) -> [Charge; 1] {
    let charges = [hourly("alice", 5)];
    for _ in 0..5 {
        store.admit(&charges);
    }
    charges
}

#[test]
fn a_forgotten_script_is_brought_again() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let charges = spent(&store);
    server.command(&["SCRIPT", "FLUSH"]);
    store.deny(&charges);
    store.admit(&[hourly("bob", 1)]);
}

#[test]
fn accounts_outlive_every_instance() {
    let server = RedisServer::start();
    let open = || Running::open(patient(&server.url()).prefix("shared"));
    let charges = spent(&open());
    open().deny(&charges);
}

#[test]
fn accounts_outlive_redis_where_it_writes_them_down() {
    let server = RedisServer::builder().aof().start();
    let store = Running::at(&server.url());
    let charges = spent(&store);
    server.kill();
    server.restart();
    store.until("the store has connected again", async |store| answers(store).await);
    store.deny(&charges);
}

#[test]
fn a_redis_that_writes_nothing_down_forgives_one_burst() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let charges = spent(&store);
    server.kill();
    server.restart();
    store.until("the store has connected again", async |store| answers(store).await);
    spent(&store);
    store.deny(&charges);
}

#[test]
fn a_store_that_is_opened_before_redis_is_there_finds_it() {
    let server = RedisServer::start();
    let url = server.url();
    server.kill();
    let store = Running::at(&url);
    let error = store.runtime.block_on(store.store.check()).expect_err("nobody is there");
    assert!(!error.is_misconfiguration(), "{error}");
    assert!(error.to_string().contains("no connection to Redis at 127.0.0.1"), "{error}");
    server.restart();
    store.until("the store has connected", async |store| store.check().await.is_ok());
    store.admit(&[hourly("alice", 1)]);
}

#[test]
fn while_redis_is_away_takes_fail_at_once() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    spent(&store);
    server.kill();
    store.until("the store has noticed", async |store| !answers(store).await);
    // Without the timeout of five seconds that this store has.
    let begun = tokio::time::Instant::now();
    store.take(&[hourly("alice", 5)]).expect_err("nobody is there");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_redis_that_stands_still_for_three_seconds_is_found_again() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).timeout(Duration::from_millis(10)));
    store.until("the store has connected", async |store| answers(store).await);
    server.pause();
    store.until("three seconds have passed", {
        let begun = tokio::time::Instant::now();
        async move |store: &RedisStore| {
            assert!(store.take(&[hourly("alice", 500)]).await.is_err());
            begun.elapsed() > Duration::from_secs(3)
        }
    });
    let resumed = tokio::time::Instant::now();
    server.resume();
    store.until("the store is back", async |store| answers(store).await);
    assert!(resumed.elapsed() < Duration::from_secs(2), "{:?}", resumed.elapsed());
}
