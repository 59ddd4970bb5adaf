//! Slots of a cluster that move while they are charged.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sluicegate::Charge;
use sluicegate_test_servers::RedisCluster;

use super::subject::{Running, hourly, patient};

#[test]
fn slots_that_move_key_by_key_forget_nothing_and_refuse_nobody() {
    exact_while(|cluster| {
        for to in [1, 0, 2] {
            cluster.migrate(MOVING, to);
        }
    });
}

#[test]
fn slots_that_move_at_once_forget_nothing_and_refuse_nobody() {
    if !atomically(&super::subject::cluster()) {
        return;
    }
    exact_while(|cluster| {
        for to in [1, 0, 2] {
            cluster.migrate_atomically(MOVING, to);
        }
    });
}

/// Spends the accounts of many callers while `moves` moves the first slots between nodes: each gets exactly its quota.
fn exact_while(moves: impl FnOnce(&RedisCluster)) {
    let cluster = RedisCluster::builder().replicas(0).start();
    let stores = [0; 2].map(|_| Running::open(patient(&cluster.url()).prefix("moving")));
    let callers: Vec<Charge> =
        (0..600).map(|caller| hourly(&format!("rpm|caller {caller}"), AMOUNT)).collect();
    let moving = AtomicBool::new(true);
    let mut admitted = vec![0; callers.len()];
    thread::scope(|scope| {
        let spenders: Vec<_> = stores
            .iter()
            .map(|store| {
                let (callers, moving) = (&callers, &moving);
                scope.spawn(move || {
                    let mut admitted = vec![0; callers.len()];
                    while moving.load(Ordering::Relaxed) {
                        for (caller, admitted) in callers.iter().zip(&mut admitted) {
                            let decision =
                                store.take(std::slice::from_ref(caller)).expect("it answers in time");
                            *admitted += u64::from(decision.is_allowed());
                        }
                    }
                    admitted
                })
            })
            .collect();
        moves(&cluster);
        moving.store(false, Ordering::Relaxed);
        for spender in spenders {
            let spent = spender.join().expect("no error");
            for (sum, spent) in admitted.iter_mut().zip(spent) {
                *sum += spent;
            }
        }
    });
    for (caller, admitted) in callers.iter().zip(&mut admitted) {
        while stores[0].take(std::slice::from_ref(caller)).expect("it answers").is_allowed() {
            *admitted += 1;
        }
    }
    assert!(admitted.iter().all(|admitted| *admitted == AMOUNT), "{AMOUNT} each: {admitted:?}");
}

/// Returns `true` if the servers can move slots at once: only Valkey 9 and later can.
fn atomically(cluster: &RedisCluster) -> bool {
    cluster.nodes()[0].try_command(&["CLUSTER", "GETSLOTMIGRATIONS"]).is_ok()
}

/// A thirtieth of all slots: of 600 callers some twenty live there.
const MOVING: RangeInclusive<u16> = 0..=545;
/// More than is spent before the first slot has moved.
const AMOUNT: u64 = 50;
