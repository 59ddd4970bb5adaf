//! Faults, and the promises that still hold.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use sluicegate::{Algorithm, Charge, Clock, Decision, Store, SystemClock};
use sluicegate_test_servers::{FaultProxy, MemcachedServer};
use tokio::task::JoinSet;

use crate::{
    server::eventually,
    stores::{KEPT, RUNTIME, admit, ask, builder, daily, open, patient, remaining, settle, take},
};

#[test]
fn a_server_that_hangs_fails_every_decision_in_time_and_serves_again_afterwards() {
    let server = MemcachedServer::start();
    let store = Arc::new(open(builder(&server.url()).timeout(Duration::from_millis(10))));
    let charge = Charge::new("alice", daily(5_000, Algorithm::TokenBucket));
    eventually(|| ask(&store, &charge).is_ok(), "memcached answers");
    server.pause();
    let clock = SystemClock::new();
    for _ in 0..3 {
        let begin = clock.now();
        // More than are ever done at once, on one account and on many.
        let mut callers = JoinSet::new();
        for caller in 0..1_000 {
            let (store, mut charges) = (Arc::clone(&store), vec![charge.clone()]);
            charges.push(Charge::new(format!("{}", caller % 50), charge.quota));
            callers.spawn_on(async move { store.take(&charges).await }, RUNTIME.handle());
        }
        let answers = RUNTIME.block_on(callers.join_all());
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        assert_eq!(errors.filter(|error| !error.is_misconfiguration()).count(), 1_000);
        // A busy machine is given more.
        assert!(clock.now().since(begin) < Duration::from_millis(400), "{:?}", clock.now().since(begin));
    }
    server.resume();
    eventually(|| ask(&store, &charge.clone().cost(0)).is_ok(), "memcached answers again");
    let left = ask(&open(patient(&server.url())), &charge.clone().cost(0));
    let left = left.expect("an answer").allowed().expect("a peek").balances[0].remaining;
    // One batch may have been on its way to the server when it hung.
    assert!((4_000..5_000).contains(&left), "{left} of 5000 are left, and nothing was answered");
}

#[test]
fn a_server_that_is_slow_fails_every_decision_in_time_and_serves_again_afterwards() {
    let server = MemcachedServer::start();
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let store = open(builder(&format!("memcached://{}", proxy.address())).timeout(Duration::from_millis(10)));
    let charge = Charge::new("alice", daily(1_000, Algorithm::FixedWindow));
    eventually(|| ask(&store, &charge).is_ok(), "memcached answers");
    proxy.delay(Duration::from_millis(50), Duration::ZERO);
    let clock = SystemClock::new();
    for _ in 0..20 {
        let begin = clock.now();
        let error = ask(&store, &charge).expect_err("it takes 50 ms");
        assert!(error.to_string().contains("within 10ms"), "the connection stays open: {error}");
        assert!(clock.now().since(begin) < Duration::from_millis(400), "{:?}", clock.now().since(begin));
    }
    proxy.delay(Duration::ZERO, Duration::ZERO);
    eventually(|| ask(&store, &charge).is_ok(), "it is fast again");
}

#[test]
fn a_restart_forgives_what_was_spent_and_no_more() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    let charges = KEPT.map(|algorithm| Charge::new("alice", daily(3, algorithm)));
    for _ in 0..3 {
        assert!(take(&store, &charges).expect("an answer").is_allowed());
    }
    server.kill();
    let error = take(&store, &charges).expect_err("nobody is there");
    assert!(!error.is_misconfiguration(), "{error}");
    server.restart();
    eventually(|| take(&store, &[]).is_ok() && RUNTIME.block_on(store.check()).is_ok(), "it is there again");
    let admitted = (0..9).filter(|_| take(&store, &charges).expect("an answer").is_allowed()).count();
    assert_eq!(admitted, 3);
}

#[test]
fn an_item_that_is_forgotten_forgives_what_was_spent_and_no_more() {
    let server = MemcachedServer::start();
    let store = open(patient(&server.url()));
    for algorithm in KEPT {
        let charge = Charge::new("alice", daily(3, algorithm));
        let taken = admit(&store, &charge.clone().cost(3));
        server.flush_all();
        settle(&store, &charge.clone().cost(3), taken.lease, 0).expect("an answer");
        assert_eq!(remaining(&store, &charge), 3, "{algorithm}: a refund to a new account fills it at most");
        let admitted = (0..9).filter(|_| ask(&store, &charge).expect("an answer").is_allowed());
        assert_eq!(admitted.count(), 3, "{algorithm}");
    }
}

#[test]
fn a_server_that_hangs_keeps_only_its_own_accounts_waiting() {
    let servers = [MemcachedServer::start(), MemcachedServer::start()];
    let url = format!("{},127.0.0.1:{}", servers[0].url(), servers[1].port());
    let store = open(builder(&url).timeout(Duration::from_millis(300)));
    let charges: Vec<_> =
        (0..40).map(|key| Charge::new(format!("{key}"), daily(100_000, Algorithm::TokenBucket))).collect();
    eventually(|| charges.iter().all(|charge| ask(&store, charge).is_ok()), "both answer");
    servers[1].pause();
    let answers = |charge: &&Charge| ask(&store, charge).is_ok();
    let served = charges.iter().filter(answers).count();
    assert!((1..40).contains(&served), "{served} of 40 accounts are on one of two servers");
    for _ in 0..5 {
        assert_eq!(charges.iter().filter(answers).count(), served);
    }
    servers[1].resume();
    eventually(|| charges.iter().all(|charge| ask(&store, charge).is_ok()), "both answer again");
}

#[test]
fn a_server_may_come_later_than_the_store() {
    let server = MemcachedServer::start();
    server.kill();
    let store = open(builder(&server.url()));
    let charge = Charge::new("alice", daily(2, Algorithm::FixedWindow));
    let error = ask(&store, &charge).expect_err("nobody is there");
    assert!(!error.is_misconfiguration(), "{error}");
    let error = RUNTIME.block_on(store.check()).expect_err("nobody is there");
    assert!(!error.is_misconfiguration() && error.to_string().contains(&server.url()[12..]), "{error}");
    server.restart();
    eventually(|| RUNTIME.block_on(store.check()).is_ok(), "it is there");
    eventually(|| ask(&store, &charge).is_ok(), "it answers");
}

#[test]
fn a_settlement_that_could_not_be_sent_is_made_once_when_the_server_is_back() {
    let server = MemcachedServer::start();
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let store = open(builder(&format!("memcached://{}", proxy.address())).timeout(Duration::from_millis(50)));
    let sure = open(patient(&server.url()));
    for algorithm in KEPT {
        let charge = Charge::new("alice", daily(10, algorithm)).cost(8);
        // What is lost to a busy machine's deadline may have been charged: a fresh account each time.
        let mut attempts =
            (0..100).map(|key| Charge { key: format!("{algorithm} {key}").into(), ..charge.clone() });
        let (charge, taken) = attempts
            .find_map(|charge| match ask(&store, &charge) {
                Ok(Decision::Allow(taken)) => Some((charge, taken)),
                _ => None,
            })
            .expect("one of a hundred in time");
        proxy.refuse();
        eventually(|| ask(&store, &Charge::new("bob", charge.quota)).is_err(), "the store has noticed");
        let error = settle(&store, &charge, taken.lease, 3).expect_err("nobody is there");
        assert!(!error.is_misconfiguration(), "{error}");
        assert_eq!(remaining(&sure, &charge), 2, "nothing came through");
        proxy.pass();
        eventually(|| remaining(&sure, &charge) == 7, "the refund came");
        assert!(take(&store, &[]).is_ok());
        assert_eq!(remaining(&sure, &charge), 7, "and came once");
    }
}

#[test]
fn connections_that_break_lose_no_settlement_and_make_none_twice() {
    let server = MemcachedServer::start();
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let store = open(builder(&format!("memcached://{}", proxy.address())).timeout(Duration::from_secs(2)));
    let sure = open(patient(&server.url()));
    let (settled, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let settle_many = |caller: usize| {
            let (store, sure, all, failed) = (&store, &sure, &settled, &failed);
            scope.spawn(move || {
                // A fast machine is done before a connection breaks under a settlement: it goes on until one has.
                for round in
                    (0..5_000).take_while(|round| *round < 100 || failed.load(Ordering::Relaxed) == 0)
                {
                    all.fetch_add(1, Ordering::Relaxed);
                    let quota = daily(100, Algorithm::FixedWindow);
                    let charge = Charge::new(format!("{caller} {round}"), quota).cost(10);
                    let taken = admit(sure, &charge);
                    let actual = [3, 30][round % 2];
                    let settled = settle(store, &charge, taken.lease, actual);
                    let left = remaining(sure, &charge);
                    match settled {
                        Ok(()) => assert_eq!(left, 100 - actual, "settled for {actual}, and said to be"),
                        Err(_) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            assert!(
                                [90, 100 - actual].contains(&left),
                                "{left} left, of 10 settled for {actual}"
                            );
                        }
                    }
                }
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(settle_many).collect();
        while callers.iter().any(|caller| !caller.is_finished()) {
            thread::park_timeout(Duration::from_millis(15));
            proxy.reset();
        }
    });
    let (settled, failed) = (settled.into_inner(), failed.into_inner());
    assert!((1..=settled / 2).contains(&failed), "{failed} of {settled} settlements failed");
}

#[test]
fn a_server_without_room_is_an_error_and_stays_understood() {
    let server = MemcachedServer::start_with(&["-M", "-m", "1", "-I", "8k", "-o", "slab_chunk_max=4096"]);
    let store = open(patient(&server.url()));
    let junk = "x".repeat(60);
    let is_full =
        |key: usize| server.command(&format!("ms junk{key} 60 T0\r\n{junk}"))[0].starts_with("SERVER_ERROR");
    assert!((0..100_000).any(is_full), "it takes no more");
    let charges = ["alice", "bob"].map(|key| Charge::new(key, daily(2, Algorithm::TokenBucket)));
    let error = take(&store, &charges).expect_err("there is no room");
    assert!(!error.is_misconfiguration() && error.to_string().contains("memory"), "{error}");
    server.flush_all();
    for left in [1, 0] {
        eventually(|| ask(&store, &charges[0]).is_ok(), "there is room");
        assert_eq!(remaining(&store, &charges[0]), left);
    }
}

#[test]
fn what_was_read_before_a_connection_was_lost_is_not_built_upon_after_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (tell, first_commands) = mpsc::channel();
    // A server that answers one reading and hangs up at once, as if it were restarted then: its items, and the numbers of
    // their changes, would be others.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream?;
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            for answer in [&b"VERSION 1.6.18\r\n"[..], b"MN\r\n", b"VA 3 c7\r\nt 0\r\n"] {
                let Some(line) = lines.next() else { break };
                let line = line?;
                if line != "version" && line != "mn" && tell.send(line).is_err() {
                    return Ok(());
                }
                stream.write_all(answer)?;
            }
        }
        io::Result::Ok(())
    });
    let store = open(builder(&format!("memcached://{address}")).timeout(Duration::from_millis(100)));
    for key in 0..200 {
        let charge = Charge::new(format!("{key}"), daily(9, Algorithm::TokenBucket));
        ask(&store, &charge).expect_err("nothing is ever written");
    }
    let commands: Vec<_> = first_commands.try_iter().collect();
    assert!(commands.len() >= 200, "{} readings", commands.len());
    assert!(commands.iter().all(|command| command.starts_with("mg ")), "{commands:?}");
}

const CALLERS: usize = 8;
