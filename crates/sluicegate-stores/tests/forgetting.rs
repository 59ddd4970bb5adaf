//! Accounts are forgotten, and with them whatever is remembered of them on the way.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Charge, Limiter, Quota};
use sluicegate_policy::StoreSettings;
use sluicegate_stores::AnyStore;
use sluicegate_test_servers::{MemcachedServer, RedisServer};

#[tokio::test]
async fn a_reset_is_seen_at_once_by_whoever_asked_for_it() {
    let (redis, memcached) = (RedisServer::start(), MemcachedServer::start());
    for url in ["memory://".to_owned(), redis.url(), memcached.url()] {
        let limiter = limiter(&url);
        let [alice, bob] = ["alice", "bob"].map(|key| Charge::new(key, quota()));
        for charge in [&alice, &bob] {
            spend(&limiter, charge).await;
        }
        limiter.reset(from_ref(&alice)).await.expect("the store answers");
        assert!(allows(&limiter, &alice).await, "{url}");
        assert!(!allows(&limiter, &bob).await, "{url}");
    }
}

#[tokio::test]
async fn all_is_forgotten_with_the_denials_that_are_remembered() {
    let redis = RedisServer::start();
    for url in ["memory://".to_owned(), redis.url()] {
        let limiter = limiter(&url);
        let accounts: Vec<_> = (0..20).map(|key| Charge::new(key.to_string(), quota())).collect();
        for charge in &accounts {
            spend(&limiter, charge).await;
        }
        limiter.store().clear().await.expect("the store answers");
        for charge in &accounts {
            assert!(allows(&limiter, charge).await, "{url}");
        }
    }
}

#[tokio::test]
async fn memcached_says_what_to_do_instead_and_forgets_nothing() {
    let memcached = MemcachedServer::start();
    let limiter = limiter(&memcached.url());
    let alice = Charge::new("alice", quota());
    spend(&limiter, &alice).await;
    let error = limiter.store().clear().await.expect_err("it cannot list its keys");
    assert!(error.is_misconfiguration() && error.to_string().contains("reset them key by key"), "{error}");
    assert!(!allows(&limiter, &alice).await);
}

#[tokio::test]
async fn in_an_outage_what_stands_in_for_the_store_is_forgotten_though_it_is_an_error() {
    let redis = RedisServer::start();
    let limiter = limiter(&redis.url());
    limiter.store().check().await.expect("Redis answers");
    redis.kill();
    let alice = Charge::new("alice", quota());
    spend(&limiter, &alice).await;
    limiter.reset(from_ref(&alice)).await.expect_err("Redis is down");
    spend(&limiter, &alice).await;
    limiter.store().clear().await.expect_err("Redis is down");
    spend(&limiter, &alice).await;
}

fn quota() -> Quota {
    "1/day".parse().expect("a good quota")
}

fn limiter(url: &str) -> Limiter<AnyStore> {
    // Tests share two cores: what is slow is no outage.
    let timeout = Duration::from_secs(1);
    let url = url.parse().expect("a URL of a store");
    let settings = StoreSettings { url, timeout, ..StoreSettings::default() };
    Limiter::new(AnyStore::open(&settings, |_| ()).expect("good settings"))
}

async fn allows(limiter: &Limiter<AnyStore>, charge: &Charge) -> bool {
    limiter.take(from_ref(charge)).await.expect("it goes on").denial().is_none()
}

/// Takes the only one, and asks so often for another that the denial is remembered.
async fn spend(limiter: &Limiter<AnyStore>, charge: &Charge) {
    assert!(allows(limiter, charge).await, "a full account: {charge:?}");
    assert!(!allows(limiter, charge).await);
    assert!(!allows(limiter, charge).await);
}
