//! Keys in Redis, and their names.

use std::time::Duration;

use sluicegate::{Algorithm, Charge, Quota};
use sluicegate_redis::RedisStoreBuilder;
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient, slots};

/// A store whose mark of the time is gone, and is not written again for a twelfth of its lease.
fn open(server: &RedisServer, builder: RedisStoreBuilder) -> Running {
    let store = Running::open(builder);
    store.admit(&[hourly("warm", 1)]);
    store.until("the mark is written", async |_| server.command(&["DBSIZE"]) == "2");
    server.command(&["FLUSHALL"]);
    store
}

const HOUR: Duration = Duration::from_secs(3_600);

fn keys(server: &RedisServer) -> Vec<String> {
    server.command(&["KEYS", "*"]).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn no_key_tells_whose_account_it_is() {
    let server = RedisServer::start();
    let store =
        open(&server, patient(&server.url()).prefix("books").lease(HOUR).secret(b"not to be guessed"));
    let charges = [hourly("rpm|alice@example.com", 5), slots("gpu|alice@example.com", 2)];
    store.admit(&charges);
    let keys = keys(&server);
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("books:1:{"), "{key}");
        assert!(!key.contains("alice") && !key.contains("rpm"), "{key}");
    }
}

#[test]
fn who_debugs_can_read_the_keys() {
    let server = RedisServer::start();
    let store = open(&server, patient(&server.url()).prefix("books").lease(HOUR).readable_keys(true));
    store.admit(&[hourly("rpm|alice {1}", 5)]);
    assert_eq!(keys(&server), ["books:1:{=alice%20%7B1%7D}:=rpm|alice%20%7B1%7D:t"]);
}

#[test]
fn other_prefixes_and_secrets_are_other_accounts() {
    let server = RedisServer::start();
    let open = |prefix, secret| Running::open(patient(&server.url()).prefix(prefix).secret(secret));
    let charge = [hourly("alice", 1)];
    for store in [open("one", b""), open("two", b""), open("one", b"secret")] {
        store.admit(&charge);
        store.deny(&charge);
    }
    open("one", b"").deny(&charge);
}

#[test]
fn a_key_goes_when_its_account_is_idle() {
    let server = RedisServer::start();
    let store = open(&server, patient(&server.url()).lease(HOUR));
    let quota =
        |algorithm| Quota::new(10, Duration::from_secs(100)).unwrap().with_algorithm(algorithm).unwrap();
    for (algorithm, idle_after) in [
        (Algorithm::TokenBucket, 20_000),
        (Algorithm::FixedWindow, 100_000),
        (Algorithm::SlidingWindow, 200_000),
        (Algorithm::SlidingLog, 100_000),
    ] {
        let charge = Charge::new(algorithm.as_str(), quota(algorithm)).cost(2);
        let taken = store.admit(std::slice::from_ref(&charge));
        let [key] = &keys(&server)[..] else { panic!("one account") };
        let left: i64 = server.command(&["PTTL", key]).parse().unwrap();
        // A bucket's key is kept to the end of a span of four seconds.
        let longer = if algorithm == Algorithm::TokenBucket { 4_000 } else { 0 };
        assert!(
            (idle_after - 1_000..=idle_after + longer + 2).contains(&left),
            "{left} ms of {idle_after} for {algorithm}"
        );
        // What gets back all that it spent is idle at once.
        store.settle(&[charge], taken.lease, &[0]).unwrap();
        let accounts: Vec<_> = keys(&server).into_iter().filter(|key| !key.ends_with(":m")).collect();
        assert!(accounts.is_empty(), "{accounts:?} of {algorithm}");
        server.command(&["FLUSHALL"]);
    }
}

#[test]
fn slots_that_nobody_holds_leave_no_key() {
    let server = RedisServer::start();
    let store = open(&server, patient(&server.url()).lease(Duration::from_secs(20)));
    let charges = [slots("gpu", 2)];
    let taken = store.admit(&charges);
    let [key] = &keys(&server)[..] else { panic!("one account") };
    let left: i64 = server.command(&["PTTL", key]).parse().unwrap();
    assert!((19_000..=20_002).contains(&left), "{left} ms of a lease of 20 s");
    store.settle(&charges, taken.lease, &[]).unwrap();
    assert!(keys(&server).is_empty());
}
