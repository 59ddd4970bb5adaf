//! Settings of a store, and their errors.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    task::{Context, Waker},
    thread,
    time::Duration,
};

use sluicegate::{Algorithm, Charge, Quota, Store, StoreError};
use sluicegate_memcached::MemcachedStore;
use sluicegate_test_servers::MemcachedServer;
use tokio::time::timeout;

use crate::stores::{RUNTIME, ask, builder, daily, open, patient, take};

#[test]
fn a_wrong_url_is_a_misconfiguration_that_says_what_is_right() {
    for (url, what) in [
        ("redis://cache", "does not begin with memcached://"),
        ("cache:11211", "does not begin with memcached://"),
        ("memcached://", "names no host"),
        ("memcached://cache,", "names no host"),
        ("memcached://ca che", "characters that no host has"),
        ("memcached://cache:0", "a port is a number"),
        ("memcached://cache:x", "a port is a number"),
        ("memcached://cache:65536", "a port is a number"),
        ("memcached://::1", "a port is a number"),
        ("memcached://[::1]x", "followed by a port"),
        ("memcached://cache/0", "nothing may follow"),
        ("memcached://cache?x=1", "nothing may follow"),
        ("memcached://cache,other,CACHE:11211", "cache:11211 is named twice"),
        ("memcached://me:hunter2@cache", "a user and a password"),
    ] {
        let error = MemcachedStore::builder(url).expect_err(url);
        assert!(error.is_misconfiguration(), "{url}: {error}");
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("memcached://HOST[:PORT]"), "{url}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let many: Vec<_> = (0..65).map(|host| format!("cache-{host}")).collect();
    assert!(MemcachedStore::builder(&format!("memcached://{}", many.join(","))).is_err());
    assert!(MemcachedStore::builder(&format!("memcached://{}", many[..64].join(","))).is_ok());
}

#[test]
fn a_url_names_servers_and_their_ports() {
    let url = "MEMCACHED://cache-1,10.0.0.2:11311,[::1],[fe80::2]:1,Cache_2:9";
    let shown = format!("{:?}", open(builder(url)));
    let servers = ["cache-1:11211", "10.0.0.2:11311", "[::1]:11211", "[fe80::2]:1", "cache_2:9"];
    assert!(servers.iter().all(|server| shown.contains(&format!("{server:?}"))), "{shown}");
}

#[test]
fn settings_are_checked_and_secrets_are_not_shown() {
    for prefix in ["", "a b", "a:b", "ключ", &"x".repeat(65)] {
        let error = builder("memcached://cache").prefix(prefix).open(RUNTIME.handle()).expect_err(prefix);
        assert!(error.is_misconfiguration() && error.to_string().contains("prefix"), "{error}");
    }
    let error =
        builder("memcached://cache").timeout(Duration::ZERO).open(RUNTIME.handle()).expect_err("no time");
    assert!(error.is_misconfiguration(), "{error}");
    let secret = builder("memcached://cache").secret(b"hunter2hunter2hunter2");
    let bytes = format!("{:?}", b"hunter2hunter2hunter2");
    for shown in [format!("{secret:?}"), format!("{:?}", open(secret))] {
        assert!(!shown.contains("hunter2") && !shown.contains(&bytes[1..20]), "{shown}");
    }
}

#[test]
fn a_concurrent_limit_is_refused_by_name() {
    let store = open(builder("memcached://127.0.0.1:9"));
    let charges = [
        Charge::new("rpm|alice", daily(1, Algorithm::TokenBucket)),
        Charge::new("gpu|alice", Quota::concurrent(8)),
    ];
    let error = take(&store, &charges).expect_err("memcached has no leases");
    assert!(error.is_misconfiguration(), "{error}");
    let text = error.to_string();
    assert!(text.contains("`gpu`") && text.contains("8 concurrent") && text.contains("redis://"), "{text}");
    assert!(!text.contains("alice"), "{text}");
}

#[test]
fn what_is_no_memcached_is_told_from_one_that_is_down() {
    let says = |answer: &'static str| {
        let error = of_server(answer);
        assert!(error.is_misconfiguration(), "{answer:?}: {error}");
        error.to_string()
    };
    assert!(says("-ERR unknown command 'version'\r\n").contains("`-ERR unknown command 'version'`"));
    assert!(says("HTTP/1.1 400 Bad Request\r\n\r\n").contains("HTTP/1.1 400"));
    assert!(says("VERSION 1.5.22\r\nERROR\r\n").contains("1.6.18"));
    assert!(says("VERSION 1.6.17\r\nMN\r\n").contains("1.6.18"));
    assert!(says("VERSION 2.0\r\nERROR\r\n").contains("`ERROR`"));
    assert!(says("CLIENT_ERROR unauthenticated\r\n").contains("login"));
    assert!(!of_server("").is_misconfiguration(), "it hangs up");
}

/// Returns the store's error for a server that sends every client this reply, and hangs up.
fn of_server(answer: &'static str) -> StoreError {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let _ = stream.read(&mut [0; 64])?;
            stream.write_all(answer.as_bytes())?;
        }
        std::io::Result::Ok(())
    });
    let store = open(patient(&format!("memcached://127.0.0.1:{port}")));
    let of_check = RUNTIME.block_on(store.check()).expect_err("it is no memcached");
    let charge = Charge::new("alice", daily(1, Algorithm::TokenBucket));
    ask(&store, &charge).expect_err("it is no memcached");
    of_check
}

#[test]
fn a_memcached_that_cannot_be_used_is_a_misconfiguration() {
    let charge = Charge::new("alice", daily(3, Algorithm::TokenBucket));
    let server = MemcachedServer::start_with(&["-C"]);
    let store = open(patient(&server.url()));
    let error = RUNTIME.block_on(store.check()).expect_err("it tells no changes");
    assert!(error.is_misconfiguration() && error.to_string().contains("-C"), "{error}");
    assert!(ask(&store, &charge).expect("the first is written where nothing was").is_allowed());
    let error = ask(&store, &charge).expect_err("it tells no changes");
    assert!(error.is_misconfiguration() && error.to_string().contains("-C"), "{error}");
}

#[test]
fn a_good_server_is_found_good() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    RUNTIME.block_on(store.check()).expect("it is good");
}

#[test]
fn a_store_outlives_its_runtime_and_says_so() {
    let server = MemcachedServer::start();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = patient(&server.url()).open(runtime.handle()).expect("a store");
    let charge = Charge::new("alice", daily(3, Algorithm::TokenBucket));
    assert!(ask(&store, &charge).is_ok());
    // One is being asked for, and the other waits for its turn.
    server.pause();
    let charges = [charge.clone()];
    let mut waiting = [Box::pin(store.take(&charges)), Box::pin(store.take(&charges))];
    for take in &mut waiting {
        assert!(take.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    runtime.shutdown_background();
    for take in waiting {
        let answer = RUNTIME.block_on(async { timeout(Duration::from_secs(10), take).await });
        let error = answer.expect("nobody waits for ever").expect_err("its tasks are gone");
        assert!(error.to_string().contains("shut"), "{error}");
    }
    let error = ask(&store, &charge).expect_err("its tasks are gone");
    assert!(error.to_string().contains("shut down"), "{error}");
    RUNTIME.block_on(store.check()).expect_err("its tasks are gone");
}
