//! Forgetting every account.

use std::time::Duration;

use sluicegate::{Algorithm, Charge, Quota, Store};
use sluicegate_redis::RedisStoreBuilder;
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, cluster, patient, slots};

fn bill(number: usize) -> Vec<Charge> {
    let hour = Duration::from_secs(3_600);
    let quota = |algorithm| Quota::new(3, hour).and_then(|quota| quota.with_algorithm(algorithm));
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| match algorithm {
            Algorithm::Concurrent => slots(&format!("s|tenant {number}"), 3),
            algorithm => Charge::new(format!("r|tenant {number}"), quota(algorithm).expect("a good quota")),
        })
        .collect()
}

fn clear(store: &Running) {
    store.runtime.block_on(store.store.clear()).expect("the store answers");
}

/// Many accounts, of which nothing is left afterwards but what others have.
fn all_are_forgotten(open: impl Fn(&str) -> RedisStoreBuilder) {
    let store = Running::open(open("books"));
    clear(&store);
    let taken: Vec<_> = (0..400).map(|number| store.admit(&bill(number))).collect();
    // Their names begin alike, and this is no pattern.
    let others = ["books:1", "books:2", "book", "bookshop", "b*", "books?"].map(|prefix| {
        let other = Running::open(open(prefix));
        other.admit(&bill(7));
        other
    });
    store.settle(&bill(0), taken[0].lease, &[0]).expect("the store answers");

    clear(&store);
    for (number, before) in taken.iter().enumerate() {
        let balances = store.admit(&bill(number)).balances;
        assert!(balances.iter().all(|balance| balance.remaining == 2), "{number}: {balances:?}");
        store.store.release(&bill(number), before.lease);
    }
    for number in 0..400 {
        assert_eq!(store.remaining(&bill(number)[4]), 2, "those who are inside now stay inside");
    }
    for other in &others {
        for charge in bill(7) {
            assert_eq!(other.remaining(&charge), 2, "{:?}, {charge:?}", other.store);
        }
    }
    clear(&others[4]);
    assert_eq!(others[4].remaining(&bill(7)[0]), 3);
    assert_eq!([others[0].remaining(&bill(7)[0]), store.remaining(&bill(7)[0])], [2, 2]);
}

#[test]
fn every_account_of_a_server_is_forgotten_and_no_other_key() {
    let server = RedisServer::start();
    server.command(&["MSET", "else", "1", "books", "2", "books:1", "3", "books:1:x", "4"]);
    all_are_forgotten(|prefix| patient(&server.url()).prefix(prefix));
    assert_eq!(server.command(&["EXISTS", "else", "books", "books:1", "books:1:x"]), "4");
}

#[test]
fn every_account_on_every_primary_of_a_cluster_is_forgotten() {
    let cluster = cluster();
    all_are_forgotten(|prefix| patient(&cluster.url()).prefix(&format!("clear-{prefix}")));
}

#[test]
fn a_settlement_that_is_tried_again_after_all_was_forgotten_counts_once() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).prefix("books"));
    let charges = [bill(0)[0].clone()];
    let taken = store.admit(&charges);
    store.settle(&charges, taken.lease, &[3]).unwrap();
    clear(&store);
    // As one that was carried and not answered.
    store.settle(&charges, taken.lease, &[3]).unwrap();
    assert_eq!(store.remaining(&charges[0]), 3);
}

#[test]
fn a_server_that_does_not_answer_is_told() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    store.admit(&bill(0));
    server.kill();
    let error = store.runtime.block_on(store.store.clear()).expect_err("Redis is down");
    assert!(error.to_string().contains("no connection"), "{error}");
}
