//! Charges that live in several slots of a cluster.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use sluicegate::{Charge, Store};
use sluicegate_test_servers::RedisCluster;

use super::subject::{Running, cluster, hourly, patient, slots};

#[test]
fn a_tenants_charges_are_taken_in_one_step() {
    let cluster = cluster();
    let store = Running::at(&cluster.url());
    let charges = [hourly("rpm|acme", 9), hourly("tpm|acme|eu", 9), slots("gpu|acme", 9)];
    store.admit(&charges);
    let before = store.store.statistics().round_trips;
    store.admit(&charges);
    assert_eq!(store.store.statistics().round_trips - before, 1);
}

#[test]
fn charges_in_several_slots_are_taken_all_or_none() {
    let cluster = cluster();
    let store = Running::at(&cluster.url());
    let wide = |place: usize| [hourly(&format!("w|wide {place}"), 7), slots(&format!("s|wide {place}"), 7)];
    let narrow = hourly("n|narrow", 5);
    let mut charges: Vec<Charge> = (0..4).flat_map(wide).collect();
    charges.insert(3, narrow.clone());
    for _ in 0..5 {
        store.admit(&charges);
    }
    let denial = store.deny(&charges);
    assert_eq!(denial.charge, 3);
    assert!(denial.balances.iter().enumerate().all(|(place, balance)| balance.wait.fits() == (place != 3)));
    for charge in charges.iter().filter(|charge| **charge != narrow) {
        assert_eq!(store.remaining(charge), 2, "{charge:?}");
    }
}

#[test]
fn a_crowd_on_several_slots_never_gets_more_than_there_is() {
    let cluster = cluster();
    let stores = [0; 3].map(|_| Running::open(patient(&cluster.url()).prefix("crowd")));
    let charges = [hourly("a|one", 40), hourly("a|two", 60), hourly("a|three", 50), slots("a|four", 500)];
    let admitted = AtomicU64::new(0);
    thread::scope(|scope| {
        for store in &stores {
            for caller in 0..4 {
                let (charges, admitted) = (&charges, &admitted);
                scope.spawn(move || {
                    let mut charges = charges.to_vec();
                    charges.rotate_left(caller);
                    for _ in 0..30 {
                        if store.take(&charges).unwrap().is_allowed() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        }
    });
    // What one gives back another may have missed for a moment; now nobody is in the way.
    let mut admitted = admitted.into_inner();
    assert!(admitted <= 40, "{admitted} of 40");
    stores[0].until("all that was given back has arrived", async |store| {
        while store.take(&charges).await.expect("the store answers").is_allowed() {
            admitted += 1;
        }
        admitted == 40
    });
    stores[1].until("what the last denials took is back", async |store| {
        let peek = store.take(&[charges[1].clone().cost(0)]).await.expect("the store answers").allowed();
        peek.is_some_and(|taken| taken.balances[0].remaining == 20)
    });
}

#[test]
fn a_settlement_in_several_slots_is_each_slots_own() {
    let cluster = cluster();
    let store = Running::at(&cluster.url());
    let charges: Vec<Charge> = (0..6).map(|place| hourly(&format!("t|{place}"), 10).cost(6)).collect();
    let taken = store.admit(&charges);
    for _ in 0..2 {
        store.settle(&charges, taken.lease, &[1, 2, 3, 9, 12, 6]).unwrap();
    }
    let left: Vec<_> = charges.iter().map(|charge| store.remaining(charge)).collect();
    assert_eq!(left, [9, 8, 7, 1, 0, 4]);
}

#[test]
fn a_node_that_dies_is_replaced_by_its_replica() {
    let cluster = RedisCluster::start();
    let store = Running::at(&cluster.url());
    let spent: Vec<Charge> = (0..12).map(|caller| hourly(&format!("rpm|caller {caller}"), 2)).collect();
    for charge in &spent {
        store.admit(&[charge.clone().cost(2)]);
    }
    let replica = &cluster.nodes()[3];
    replica.catch_up_with(&cluster.nodes()[0]);
    cluster.nodes()[0].kill();
    store.until("every slot answers again", async |store| {
        for charge in &spent {
            if store.take(&[charge.clone().cost(0)]).await.is_err() {
                return false;
            }
        }
        true
    });
    for charge in &spent {
        store.deny(std::slice::from_ref(charge));
    }
}

#[test]
fn a_node_that_hangs_takes_nothing_from_the_others_and_answers_again_afterwards() {
    let cluster = RedisCluster::builder().replicas(0).node_timeout(Duration::from_secs(15)).start();
    let store = Running::open(patient(&cluster.url()).timeout(Duration::from_millis(200)));
    let callers: Vec<Charge> = (0..30).map(|caller| hourly(&format!("rpm|caller {caller}"), 9)).collect();
    for caller in &callers {
        store.admit(std::slice::from_ref(caller));
    }
    let hung = &cluster.nodes()[1];
    hung.pause();
    let fails = |caller: &Charge| store.take(std::slice::from_ref(caller)).is_err();
    let apart: Vec<bool> = callers.iter().map(fails).collect();
    assert!(apart.contains(&true) && apart.contains(&false), "{apart:?}");
    for _ in 0..3 {
        assert_eq!(callers.iter().map(fails).collect::<Vec<_>>(), apart);
    }
    hung.resume();
    store.until("the node answers again", async |store| {
        for caller in &callers {
            if store.take(&[caller.clone().cost(0)]).await.is_err() {
                return false;
            }
        }
        true
    });
    for (caller, failed) in callers.iter().zip(apart) {
        let left = store.remaining(caller);
        // A call that was answered too late may count.
        assert!(if failed { (4..=8).contains(&left) } else { left == 4 }, "{left} of {caller:?}");
    }
}
