//! Many callers, on several instances at once.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use sluicegate::{Algorithm, Charge, Decision};
use sluicegate_memcached::MemcachedStore;
use sluicegate_test_servers::MemcachedServer;

use crate::{
    server::eventually,
    stores::{KEPT, admit, daily, open, patient, remaining, settle, take},
};

/// Counts the admissions of callers that come at once to each of the stores, each with this number of calls.
fn crowd(stores: &[MemcachedStore], asks: usize, charges: &(impl Fn(usize) -> Vec<Charge> + Sync)) -> usize {
    let (admitted, begin) = (AtomicUsize::new(0), Barrier::new(stores.len() * CALLERS));
    thread::scope(|scope| {
        for caller in 0..stores.len() * CALLERS {
            let (store, admitted, begin) = (&stores[caller % stores.len()], &admitted, &begin);
            scope.spawn(move || {
                let charges = charges(caller);
                begin.wait();
                for _ in 0..asks {
                    let decision = take(store, &charges).expect("memcached answers");
                    admitted.fetch_add(usize::from(decision.is_allowed()), Ordering::Relaxed);
                }
            });
        }
    });
    admitted.into_inner()
}

#[test]
fn a_crowd_on_several_instances_gets_exactly_the_amount() {
    let server = MemcachedServer::start();
    let stores = [open(patient(&server.url())), open(patient(&server.url())), open(patient(&server.url()))];
    for algorithm in KEPT {
        for round in 0..20 {
            let charge = Charge::new(format!("{round}"), daily(100, algorithm));
            let admitted = crowd(&stores, 8, &|_| vec![charge.clone()]);
            assert_eq!(admitted, 100, "{algorithm} in round {round}");
            assert_eq!(remaining(&stores[0], &charge), 0, "{algorithm} in round {round}");
        }
    }
}

#[test]
fn a_crowd_on_several_instances_is_charged_all_or_nothing() {
    let servers = [MemcachedServer::start(), MemcachedServer::start()];
    let url = format!("{},127.0.0.1:{}", servers[0].url(), servers[1].port());
    let stores = [open(patient(&url)), open(patient(&url))];
    for round in 0..40 {
        let narrow = Charge::new(format!("narrow {round}"), daily(20, Algorithm::TokenBucket));
        let wide = KEPT.map(|algorithm| Charge::new(format!("wide {round}"), daily(30, algorithm)));
        let bill = |caller: usize| {
            let mut charges = wide.to_vec();
            charges.insert(caller % 5, narrow.clone());
            charges
        };
        let admitted = u64::try_from(crowd(&stores, 4, &bill)).expect("a number of callers");
        assert!(admitted <= 20, "{admitted} were admitted to 20 places");
        // Who was denied because somebody held a place for a moment finds it free afterwards.
        let rest = (0..64).filter(|_| matches!(take(&stores[0], &bill(0)), Ok(Decision::Allow(_)))).count();
        let all = admitted + u64::try_from(rest).expect("a number of requests");
        assert_eq!(all, 20, "{admitted} of a crowd and {rest} afterwards, in round {round}");
        for charge in &wide {
            eventually(|| remaining(&stores[1], charge) == 10, "what was denied is given back");
        }
    }
}

#[test]
fn what_is_given_back_comes_back_to_all() {
    let server = MemcachedServer::start();
    let stores = [open(patient(&server.url())), open(patient(&server.url()))];
    for algorithm in KEPT {
        let charge = Charge::new("alice", daily(100, algorithm)).cost(2);
        thread::scope(|scope| {
            for caller in 0..2 * CALLERS {
                let (store, charge) = (&stores[caller % 2], &charge);
                scope.spawn(move || {
                    for used in [0, 1, 3] {
                        let taken = admit(store, charge);
                        settle(store, charge, taken.lease, used).expect("memcached answers");
                    }
                });
            }
        });
        assert_eq!(remaining(&stores[0], &charge), 100 - 4 * 16, "{algorithm}");
    }
}

#[test]
fn what_one_instance_has_done_is_seen_by_the_next_request_of_another() {
    let server = MemcachedServer::start();
    let stores = [open(patient(&server.url())), open(patient(&server.url()))];
    let charge = Charge::new("alice", daily(1, Algorithm::FixedWindow));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // They keep the second instance busy with the account, so that it always has read it a moment ago.
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    remaining(&stores[1], &charge);
                }
            });
        }
        let at_end = scope.spawn(|| {
            for _ in 0..500 {
                let lease = admit(&stores[0], &charge).lease;
                settle(&stores[1], &charge, lease, 0).expect("an answer");
                let lease = admit(&stores[0], &charge).lease;
                settle(&stores[0], &charge, lease, 0).expect("an answer");
                let lease = admit(&stores[1], &charge).lease;
                settle(&stores[0], &charge, lease, 0).expect("an answer");
            }
        });
        let at_end = at_end.join();
        done.store(true, Ordering::Relaxed);
        assert!(at_end.is_ok(), "every place that was given back could be taken");
    });
}

const CALLERS: usize = 8;
