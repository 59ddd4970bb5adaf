//! Tests of dropped stores, alone in their process because they count threads.

use std::{fs, time::Duration};

use sluicegate::{Charge, Limiter, Quota};
use sluicegate_policy::StoreSettings;
use sluicegate_stores::AnyStore;
use sluicegate_test_servers::{MemcachedServer, RedisServer};

#[tokio::test]
async fn a_store_that_is_dropped_gives_back_what_it_held_and_leaves_no_thread() {
    let redis = RedisServer::start();
    let (leaving, staying) = (limiter(&redis.url()), limiter(&redis.url()));
    let slot = |cost: u64| [Charge::new("gpu", Quota::concurrent(500)).cost(cost)];
    let mut taken = Vec::new();
    for _ in 0..500 {
        taken.push(leaving.take(&slot(1)).await.expect("Redis answers").allowed().expect("it is free"));
    }
    assert_eq!(leaving.store().statistics().live_leases, 500);
    assert!(staying.take(&slot(1)).await.expect("Redis answers").denial().is_some());
    assert_eq!(store_threads(), 2);

    drop(taken);
    drop(leaving);
    assert_eq!(store_threads(), 1);
    let all = staying.take(&slot(500)).await.expect("Redis answers");
    assert!(all.denial().is_none(), "all came back before the end");

    let memcached = MemcachedServer::start();
    let leaving = limiter(&memcached.url());
    assert!(leaving.take(&[Charge::new("alice", "1/day".parse().expect("a quota"))]).await.is_ok());
    assert_eq!(store_threads(), 2);
    drop(leaving);
    assert_eq!(store_threads(), 1);

    let wrong = StoreSettings { ca: Some("/nowhere/ca.pem".into()), ..at("rediss://127.0.0.1") };
    assert!(AnyStore::open(&wrong, |_| ()).is_err());
    assert_eq!(store_threads(), 1, "what cannot be opened leaves nothing");
}

fn limiter(url: &str) -> Limiter<AnyStore> {
    Limiter::new(AnyStore::open(&at(url), |_| ()).expect("good settings"))
}

fn at(url: &str) -> StoreSettings {
    let url = url.parse().expect("a URL of a store");
    StoreSettings { url, timeout: Duration::from_secs(1), ..StoreSettings::default() }
}

/// Counts the threads of this process that talk to stores.
fn store_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux has it");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    // The kernel keeps fifteen characters.
    names.filter(|name| name.starts_with("sluicegate-stor")).count()
}
