//! Redis servers start, answer, fail as they are told to, and are gone afterwards.

// A process that is killed can only print, and real processes end in real time.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::{
    env,
    net::TcpStream,
    panic,
    path::Path,
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use sluicegate_test_servers::RedisServer;

fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn a_server_answers_and_is_gone_when_it_is_dropped() {
    let server = RedisServer::start();
    let (pid, port) = (server.pid(), server.port());

    assert_eq!(server.command(&["PING"]), "PONG");
    assert_eq!(server.url(), format!("redis://127.0.0.1:{port}"));
    assert!(runs(pid) && TcpStream::connect(("127.0.0.1", port)).is_ok());

    drop(server);
    assert!(!runs(pid) && TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_server_is_gone_when_its_test_panics() {
    let pid = panic::catch_unwind(|| {
        let server = RedisServer::start();
        panic::panic_any(server.pid());
    });

    assert!(!runs(*pid.expect_err("a panic").downcast().expect("a process id")));
}

#[test]
fn a_server_is_gone_when_its_process_is_killed() {
    const CHILD: &str = "SLUICEGATE_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        let server = RedisServer::start();
        println!("PID {}", server.pid());
        process::abort();
    }
    let child = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "a_server_is_gone_when_its_process_is_killed", "--nocapture"])
        .env(CHILD, "")
        .output()
        .expect("it runs");
    let printed = String::from_utf8_lossy(&child.stdout).into_owned();
    let (_, pid) = printed.split_once("PID ").expect("the server has started");
    let pid = pid.trim().parse().expect("a process id");

    assert!(!child.status.success());
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(pid) && Instant::now() < deadline {
        thread::yield_now();
    }
    assert!(!runs(pid));
}

#[test]
fn many_servers_at_once_have_a_port_each() {
    let servers: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = (0..8).map(|_| scope.spawn(RedisServer::start)).collect();
        starting.into_iter().map(|server| server.join().expect("a server")).collect()
    });

    for (index, server) in servers.iter().enumerate() {
        assert_eq!(server.command(&["INCRBY", "own", &index.to_string()]), index.to_string());
    }
}

#[test]
fn answers_are_text() {
    let server = RedisServer::start();

    assert_eq!(server.command(&["RPUSH", "list", "one", "two\r\nthree"]), "2");
    assert_eq!(server.command(&["LRANGE", "list", "0", "-1"]), "one\ntwo\r\nthree");
    assert_eq!(server.command(&["GET", "nothing"]), "(nil)");
    assert_eq!(server.command(&["LRANGE", "nothing", "0", "-1"]), "");
    assert!(server.try_command(&["GET", "list"]).expect_err("an error").starts_with("WRONGTYPE"));
}

#[test]
fn without_files_a_restart_forgets_everything() {
    let server = RedisServer::start();
    let port = server.port();
    server.command(&["SET", "key", "value"]);

    server.restart();

    assert_eq!(server.command(&["GET", "key"]), "(nil)");
    assert_eq!(server.port(), port);
}

#[test]
fn with_an_append_only_file_restarts_and_crashes_forget_nothing() {
    let server = RedisServer::builder().aof().start();
    for number in 1..=3 {
        assert_eq!(server.command(&["INCR", "restarts"]), number.to_string());
        server.restart();
    }
    server.kill();
    assert!(!server.is_up());
    server.restart();

    assert_eq!(server.command(&["GET", "restarts"]), "3");
}

#[test]
fn a_paused_server_answers_once_it_is_resumed() {
    let server = RedisServer::start();
    server.pause();
    let asked = thread::scope(|scope| {
        let asked = scope.spawn(|| server.command(&["PING"]));
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it runs");
        assert!(stat.contains(") T "), "{stat}");
        assert!(!asked.is_finished());
        server.resume();
        asked.join()
    });

    assert_eq!(asked.expect("an answer"), "PONG");
}

#[test]
fn a_full_server_refuses_writes() {
    let server = RedisServer::builder().maxmemory("2mb", "noeviction").start();

    let mut fill =
        (1..=20).map(|tenth| server.try_command(&["SETRANGE", &tenth.to_string(), "100000", "end"]));
    let error = fill.find_map(Result::err).expect("it is full");
    assert!(error.starts_with("OOM"), "{error}");
}

#[test]
fn a_replica_follows_its_primary_and_takes_no_writes() {
    let primary = RedisServer::builder().password("s3cret").start();
    let replica = RedisServer::builder().replica_of(&primary).start();

    primary.command(&["SET", "key", "value"]);
    replica.catch_up_with(&primary);

    assert_eq!(replica.command(&["GET", "key"]), "value");
    assert!(replica.try_command(&["SET", "key", "other"]).expect_err("an error").starts_with("READONLY"));
}

#[test]
fn a_socket_is_the_only_way_in_where_that_is_wanted() {
    let server = RedisServer::builder().unix_socket().start();

    let url = server.url();
    assert!(Path::new(url.strip_prefix("redis+unix://").expect("a path")).exists(), "{url}");
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
}

#[test]
fn valkey_is_there_where_it_is_installed() {
    if let Some(valkey) = RedisServer::valkey() {
        assert_eq!(valkey.start().command(&["PING"]), "PONG");
    }
}

#[test]
fn a_servers_clock_can_be_set_while_it_runs() {
    let server = RedisServer::builder().own_clock().start();
    let seconds = || -> i64 {
        let time = server.command(&["TIME"]);
        time.lines().next().and_then(|seconds| seconds.parse().ok()).expect("seconds")
    };
    let began = seconds();
    for ahead in [-30, -3_600, 3_600, 0] {
        server.set_clock(ahead);
        // A busy machine takes its time, but not as long as a step.
        assert!((0..20).contains(&(seconds() - began - ahead)), "{ahead}");
    }
}
