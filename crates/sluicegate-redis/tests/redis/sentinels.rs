//! A primary that Sentinel knows.

use sluicegate::Store;
use sluicegate_test_servers::RedisSentinel;

use super::subject::{Running, hourly};

#[test]
fn a_primary_that_dies_is_replaced_and_found() {
    let sentinel = RedisSentinel::start();
    let store = Running::at(&sentinel.url());
    let charges = [hourly("alice", 3)];
    for _ in 0..3 {
        store.admit(&charges);
    }
    let primary = sentinel.primary();
    for server in sentinel.servers().iter().filter(|server| server.port() != primary.port()) {
        server.catch_up_with(primary);
    }
    primary.kill();
    store.until("the store has found the new primary", async |store| {
        store.take(&[hourly("bob", 1).cost(0)]).await.is_ok()
    });
    store.deny(&charges);
    store.admit(&[hourly("bob", 1)]);
}

#[test]
fn a_name_that_no_sentinel_knows_is_told() {
    let sentinel = RedisSentinel::start();
    let (nodes, _) =
        sentinel.url().rsplit_once('/').map(|(nodes, name)| (nodes.to_owned(), name.to_owned())).unwrap();
    let store = Running::at(&format!("{nodes}/nobody"));
    let error = store.runtime.block_on(store.store.check()).expect_err("no such primary");
    assert!(error.to_string().contains("the sentinels know no primary of this name"), "{error}");
    assert!(error.is_misconfiguration());
}
