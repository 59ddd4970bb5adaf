//! Faults that need a person, and their errors.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use sluicegate::StoreError;
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient};

/// Returns the error from the check of a store, which must not pass.
fn trouble(url: &str) -> StoreError {
    told(&Running::at(url))
}

fn told(store: &Running) -> StoreError {
    store.runtime.block_on(store.store.check()).expect_err("there is trouble")
}

fn must_be_mended(error: &StoreError, says: &str) {
    let text = error.to_string();
    assert!(text.contains(says), "{text}");
    assert!(error.is_misconfiguration(), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// A server with TLS. Without one, the caller's test is skipped, which is said past the harness: it shows nothing of
/// tests that pass.
fn with_tls() -> Option<RedisServer> {
    if RedisServer::speaks_tls() {
        return Some(RedisServer::builder().tls().start());
    }
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    writeln!(io::stderr(), "SKIPPED {test}: this server was built without TLS")
        .expect("standard error is open");
    None
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let server = RedisServer::builder().password("right").start();
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    must_be_mended(&trouble(&url), "does not accept the username and password");
    let none = format!("redis://127.0.0.1:{}", server.port());
    must_be_mended(&trouble(&none), "does not accept the username and password");
    Running::at(&server.url()).admit(&[hourly("alice", 1)]);
}

#[test]
fn a_user_without_the_right_to_write_is_told_what_it_lacks() {
    let server = RedisServer::builder().user("reader", "hunter2", "+@read +@connection ~*").start();
    let url = format!("redis://reader:hunter2@127.0.0.1:{}", server.port());
    must_be_mended(&trouble(&url), "does not let this user do what a limiter does");
}

#[test]
fn a_read_only_replica_is_told_from_a_primary() {
    let primary = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&primary).start();
    must_be_mended(&trouble(&replica.url()), "read-only replica");
}

#[test]
fn tls_where_there_is_none_is_told() {
    let server = RedisServer::start();
    // Redis waits for the rest of what it takes for a command, so only time tells.
    let error = trouble(&format!("rediss://127.0.0.1:{}", server.port()));
    assert!(error.to_string().contains("if it speaks no TLS, write redis://"), "{error}");
}

#[test]
fn a_certificate_that_nobody_known_has_signed_is_told() {
    let Some(server) = with_tls() else { return };
    must_be_mended(&trouble(&server.url()), "signed by an authority of the system or of store.ca");
    let store = Running::open(patient(&server.url()).ca(server.ca()));
    store.admit(&[hourly("alice", 1)]);
    let missing = patient(&server.url()).ca("/no/such/file.pem").open(store.runtime.handle());
    must_be_mended(&missing.expect_err("no file"), "cannot read store.ca, /no/such/file.pem");
}

#[test]
fn no_tls_where_there_is_some_is_told() {
    let Some(server) = with_tls() else { return };
    let error = trouble(&format!("redis://127.0.0.1:{}", server.port()));
    assert!(error.to_string().contains("if it speaks TLS, write rediss://"), "{error}");
}

#[test]
fn what_is_not_redis_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    must_be_mended(&trouble(&format!("redis://127.0.0.1:{port}")), "does not speak the Redis protocol");
}

#[test]
fn one_server_of_a_cluster_is_told_from_one_alone() {
    let cluster = super::subject::cluster();
    let store = Running::at(&cluster.nodes()[0].url());
    // Some key is in another's slots.
    let error = (0..50).find_map(|caller| store.take(&[hourly(&format!("caller {caller}"), 1)]).err());
    must_be_mended(&error.expect("a slot of another node"), "write redis+cluster://");
}

#[test]
fn a_key_that_holds_something_else_is_told_and_left_alone() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).prefix("taken").readable_keys(true));
    let key = "taken:1:{=alice}:=alice:t";
    for foreign in [&["SET", key, "somebody's own"][..], &["RPUSH", key, "somebody's", "own"]] {
        server.command(foreign);
        let error = store.take(&[hourly("bob", 1), hourly("alice", 1)]).expect_err("no account");
        must_be_mended(&error, key);
        assert_eq!(server.command(&["EXISTS", key]), "1");
        // Nobody else is troubled, and nothing was taken.
        assert_eq!(store.remaining(&hourly("bob", 1)), 1);
        server.command(&["DEL", key]);
        store.admit(&[hourly("alice", 1)]);
        server.command(&["DEL", key]);
    }
}

#[test]
fn a_full_redis_is_told_and_mends_itself() {
    let server = RedisServer::builder().maxmemory("2mb", "noeviction").start();
    let store = Running::at(&server.url());
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = store.take(&[hourly("alice", 1)]).expect_err("no memory");
    assert!(error.to_string().contains("is full and accepts no writes"), "{error}");
    assert!(!error.is_misconfiguration());
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    store.admit(&[hourly("alice", 1)]);
}

#[test]
fn an_amount_that_redis_cannot_count_is_refused() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let quota = sluicegate::Quota::new(1 << 53, Duration::from_secs(3_600)).unwrap();
    let bucket = sluicegate::Charge::new("alice", quota);
    store.admit(std::slice::from_ref(&bucket));
    let window = quota.with_algorithm(sluicegate::Algorithm::FixedWindow).unwrap();
    let error = store.take(&[sluicegate::Charge::new("alice", window)]).expect_err("too much");
    must_be_mended(&error, "9007199254740991");
}
