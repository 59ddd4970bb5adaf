//! Tests of every kind of store that a policy can name, opened and used.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use sluicegate::{Charge, Decision, Limiter, ManualClock, Permit, Quota, Transition};
use sluicegate_policy::{ChunkSettings, Hidden, StoreKeys, StoreSettings};
use sluicegate_stores::AnyStore;
use sluicegate_test_servers::{MemcachedServer, RedisServer};

#[tokio::test]
async fn memory_is_there_at_once_and_counts_its_accounts() {
    let store = open(&StoreSettings::default());
    store.check().await.expect("memory answers");
    let limiter = Limiter::new(store);
    let _ = allowed(&limiter, "alice", "1/day").await.expect("a full account");
    assert!(allowed(&limiter, "alice", "1/day").await.is_none());
    let statistics = limiter.store().statistics();
    assert!(statistics.up);
    assert_eq!((statistics.live_keys, statistics.takes, statistics.round_trips), (1, 0, 0));
}

#[test]
fn memory_follows_the_clock_that_it_is_given() {
    let clock = ManualClock::new();
    let store = AnyStore::open_with_clock(&StoreSettings::default(), clock.clone(), |_| ());
    let AnyStore::Memory(memory) = store.expect("good settings") else { panic!("memory is the default") };
    let charges = [charge("alice", "1/day")];
    assert!(memory.take_now(&charges).is_allowed());
    assert!(!memory.take_now(&charges).is_allowed());
    clock.advance(Duration::from_secs(86_400));
    assert!(memory.take_now(&charges).is_allowed());
}

#[tokio::test]
async fn stores_on_one_server_share_their_accounts() {
    let (redis, memcached) = (RedisServer::start(), MemcachedServer::start());
    for url in [redis.url(), memcached.url()] {
        let (one, other) = (limiter(&at(&url)), limiter(&at(&url)));
        one.store().check().await.expect("the server answers");
        for limiter in [&one, &other, &one] {
            assert!(allowed(limiter, "alice", "3/day").await.is_some());
        }
        assert!(allowed(&other, "alice", "3/day").await.is_none());
        let elsewhere = limiter(&StoreSettings { prefix: "other".to_owned(), ..at(&url) });
        assert!(allowed(&elsewhere, "alice", "3/day").await.is_some(), "another prefix, another account");
    }
}

#[tokio::test]
async fn quotas_in_redis_are_spent_in_chunks_if_the_policy_says_so() {
    let redis = RedisServer::start();
    let one_by_one = limiter(&StoreSettings { remember_denials: false, ..at(&redis.url()) });
    let in_chunks = limiter(&StoreSettings { chunks: Some(ChunkSettings::default()), ..at(&redis.url()) });
    for limiter in [&one_by_one, &in_chunks] {
        limiter.store().check().await.expect("the server answers");
        for _ in 0..200 {
            assert!(allowed(limiter, "alice", "1000/day").await.is_some());
        }
    }
    let (calls, chunks) = (one_by_one.store().statistics(), in_chunks.store().statistics());
    assert_eq!((calls.decided_by_chunks, calls.chunks), (0, 0));
    assert!(chunks.decided_by_chunks > 100 && chunks.chunks > 0, "{chunks:?}");
    assert!(chunks.takes < 100, "{chunks:?}");

    // What is left comes back, soon.
    drop(in_chunks);
    let rest = [charge("alice", "1000/day").cost(600)];
    let all_is_taken =
        async { while one_by_one.take(&rest).await.expect("Redis answers").denial().is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), all_is_taken).await.expect("not so late");
}

#[tokio::test]
async fn settings_of_names_reach_the_store() {
    let (redis, memcached) = (RedisServer::start(), MemcachedServer::start());
    let secret = |text| Some(Hidden::from(text));
    for url in [redis.url(), memcached.url()] {
        let of = |secret, keys| limiter(&StoreSettings { secret, keys, ..at(&url) });
        let same = [
            of(secret("sixteen bytes at"), StoreKeys::Hashed),
            of(secret("sixteen bytes at"), StoreKeys::Hashed),
        ];
        assert!(allowed(&same[0], "alice", "1/day").await.is_some());
        assert!(allowed(&same[1], "alice", "1/day").await.is_none());
        for other in [of(secret("other bytes, too"), StoreKeys::Hashed), of(None, StoreKeys::Hashed)] {
            assert!(allowed(&other, "alice", "1/day").await.is_some(), "another secret, another account");
        }
        let readable = of(None, StoreKeys::Readable);
        assert!(allowed(&readable, "alice", "1/day").await.is_some());
    }
    assert!(redis.command(&["KEYS", "*"]).contains("alice"));
}

#[tokio::test]
async fn denials_are_remembered_unless_that_is_off() {
    let redis = RedisServer::start();
    for (remember_denials, asked) in [(true, 2), (false, 11)] {
        let prefix = format!("remember-{remember_denials}");
        let limiter = limiter(&StoreSettings { remember_denials, prefix, ..at(&redis.url()) });
        assert!(allowed(&limiter, "alice", "1/day").await.is_some());
        for _ in 0..10 {
            assert!(allowed(&limiter, "alice", "1/day").await.is_none());
        }
        let statistics = limiter.store().statistics();
        assert_eq!((statistics.takes, statistics.remembered_denials), (asked, 11 - asked));
    }
}

#[tokio::test]
async fn a_denial_by_a_store_that_gives_charges_back_is_asked_for_again_soon() {
    let memcached = MemcachedServer::start();
    let limiter = limiter(&at(&memcached.url()));
    assert!(allowed(&limiter, "alice", "1/day").await.is_some());
    assert!(allowed(&limiter, "alice", "1/day").await.is_none());
    let asked_again = async {
        for remembered in 0.. {
            if limiter.store().statistics().remembered_denials < remembered {
                return remembered;
            }
            assert!(allowed(&limiter, "alice", "1/day").await.is_none());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        0
    };
    let remembered = tokio::time::timeout(Duration::from_secs(5), asked_again).await;
    assert!(remembered.expect("long before the day is over") > 1, "but not each time");
}

#[tokio::test]
async fn what_a_person_must_mend_is_told_without_the_password() {
    let redis = RedisServer::builder().password("hunter2").start();
    let wrong = limiter(&at(&redis.url().replace("hunter2", "hunter3")));
    let error = wrong.store().check().await.expect_err("the password is wrong");
    assert!(error.is_misconfiguration() && !error.to_string().contains("hunter"), "{error}");

    for url in ["redis://:hunter2@", "redis+sentinel://:hunter2@sentinel", "memcached://:hunter2@a:port"] {
        let error = AnyStore::understand(&at(url)).expect_err("it lacks something");
        assert!(error.is_misconfiguration() && !error.to_string().contains("hunter"), "{error}");
        assert_eq!(AnyStore::open(&at(url), |_| ()).expect_err("as before").to_string(), error.to_string());
    }
    let nowhere = StoreSettings { ca: Some("/nowhere/ca.pem".into()), ..at("rediss://127.0.0.1") };
    let error = AnyStore::understand(&nowhere).expect_err("there is no such file");
    assert_eq!(AnyStore::open(&nowhere, |_| ()).expect_err("as before").to_string(), error.to_string());
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn a_user_with_the_rights_that_the_documentation_names_is_enough() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stores.md");
    let docs = std::fs::read_to_string(docs).expect("the documentation is there");
    let (_, rights) = docs.split_once("`ACL SETUSER limiter on >PASSWORD ").expect("it names them");
    let (rights, _) = rights.split_once('`').expect("it is code");
    let redis = RedisServer::builder().user("limiter", "hunter2", rights).start();
    let limiter = limiter(&at(&redis.url()));
    limiter.store().check().await.expect("it may do that");
    for quota in ["2/day", "2 concurrent"] {
        let permit = allowed(&limiter, quota, quota).await.expect("a full account");
        permit.settle(&[sluicegate::Cost::ZERO]).await.expect("it may do that too");
        let _ = allowed(&limiter, quota, quota).await.expect("a full account");
        limiter.reset(&[charge(quota, quota)]).await.expect("and that");
    }
    limiter.store().clear().await.expect("and that");
    let statistics = limiter.store().statistics();
    assert_eq!((statistics.errors, statistics.decided_locally), (0, 0));
}

#[tokio::test]
async fn in_an_outage_each_gives_its_share_and_who_watches_is_told_once() {
    let redis = RedisServer::start();
    let told: Arc<Mutex<Vec<Transition>>> = Arc::default();
    let settings = StoreSettings { replicas: NonZeroU32::MIN.saturating_add(1), ..at(&redis.url()) };
    let watcher = Arc::clone(&told);
    let watch = move |transition: &Transition| watcher.lock().expect("no panic").push(transition.clone());
    let limiter = Limiter::new(AnyStore::open(&settings, watch).expect("a good URL"));
    let told = || told.lock().expect("no panic").clone();
    limiter.store().check().await.expect("Redis answers");

    redis.kill();
    for _ in 0..20 {
        assert!(allowed(&limiter, "bob", "1000000/day").await.is_some(), "nobody is turned away meanwhile");
    }
    assert!(!limiter.store().statistics().up);
    let mut passed = 0;
    while allowed(&limiter, "alice", "10/day").await.is_some() {
        passed += 1;
    }
    assert_eq!(passed, 5, "half of ten, for there are two");
    assert!(matches!(told().as_slice(), [Transition::Down { .. }]), "{:?}", told());
    let statistics = limiter.store().statistics();
    assert!(statistics.errors >= 5 && statistics.decided_locally >= 6, "{statistics:?}");
    assert_eq!((statistics.outages, statistics.live_keys), (1, 2));

    redis.restart();
    let answered = async {
        while !limiter.store().statistics().up {
            let _ = allowed(&limiter, "bob", "1000000/day").await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), answered).await.expect("Redis is back");
    assert!(matches!(told().as_slice(), [Transition::Down { .. }, Transition::Up { .. }]), "{:?}", told());
}

fn at(url: &str) -> StoreSettings {
    // Tests share two cores: what is slow is no outage.
    let timeout = Duration::from_secs(1);
    StoreSettings { url: url.parse().expect("a URL of a store"), timeout, ..StoreSettings::default() }
}

fn open(settings: &StoreSettings) -> AnyStore {
    AnyStore::open(settings, |_| ()).expect("good settings")
}

fn limiter(settings: &StoreSettings) -> Limiter<AnyStore> {
    Limiter::new(open(settings))
}

fn charge(key: &str, quota: &str) -> Charge {
    Charge::new(key, quota.parse::<Quota>().expect("a good quota"))
}

async fn allowed(limiter: &Limiter<AnyStore>, key: &str, quota: &str) -> Option<Permit<AnyStore>> {
    match limiter.take(&[charge(key, quota)]).await.expect("no charge is of those that fail") {
        Decision::Allow(permit) => Some(permit),
        Decision::Deny(_) => None,
    }
}
