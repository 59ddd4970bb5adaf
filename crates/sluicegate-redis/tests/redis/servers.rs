//! The servers that keep accounts, and the errors that name them.

use std::{collections::HashSet, time::Duration};

use sluicegate::{Backend, Charge, ServerId, Store, StoreError};
use sluicegate_test_servers::{RedisCluster, RedisSentinel, RedisServer};

use super::subject::{Running, hourly, patient};

/// A cluster without replicas, whose nodes are taken for dead late.
fn cluster() -> RedisCluster {
    RedisCluster::builder().replicas(0).node_timeout(Duration::from_secs(15)).start()
}

/// A store that knows who owns what.
fn open(url: &str) -> Running {
    let store = Running::open(patient(url).timeout(Duration::from_secs(1)));
    store.until("it knows the cluster", async |store| store.check().await.is_ok());
    store
}

fn callers(count: usize) -> Vec<Charge> {
    (0..count).map(|caller| hourly(&format!("rpm|caller {caller}"), 9)).collect()
}

/// The number under which a store knows a node.
fn id(store: &Running, node: &RedisServer) -> ServerId {
    let servers = store.store.servers();
    let there = servers.iter().find(|(_, address)| *address == format!("127.0.0.1:{}", node.port()));
    there.unwrap_or_else(|| panic!("{} in {servers:?}", node.port())).0
}

/// A caller whose account is on this node.
fn caller_on(store: &Running, node: &RedisServer) -> Charge {
    let server = id(store, node);
    callers(100).into_iter().find(|caller| store.store.server(caller) == server).expect("one of a hundred")
}

fn failure(store: &Running, charges: &[Charge]) -> StoreError {
    store.take(charges).expect_err("a server is down")
}

#[test]
fn one_server_is_the_only_one() {
    let server = RedisServer::start();
    let store = Running::at(&server.url());
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(store.store.servers(), [(ServerId::ONLY, address)]);
    assert_eq!(store.store.server(&hourly("alice", 1)), ServerId::ONLY);
    store.admit(&[hourly("alice", 1)]);
    server.kill();
    assert_eq!(failure(&store, &[hourly("alice", 1)]).servers(), [ServerId::ONLY]);
}

#[test]
fn a_primary_of_sentinels_goes_by_its_own_address() {
    let sentinel = RedisSentinel::start();
    let store = Running::at(&sentinel.url());
    store.admit(&[hourly("alice", 1)]);
    let address = format!("127.0.0.1:{}", sentinel.primary().port());
    assert_eq!(store.store.servers(), [(ServerId::ONLY, address)]);
}

#[test]
fn a_cluster_that_nobody_has_reached_is_one_server() {
    let cluster = cluster();
    cluster.nodes().iter().for_each(RedisServer::kill);
    let store = Running::at(&cluster.url());
    let servers = store.store.servers();
    assert!(
        matches!(&servers[..], [(ServerId::ONLY, name)] if name.starts_with("the cluster of")),
        "{servers:?}"
    );
    let error = failure(&store, &callers(1));
    assert_eq!(error.servers(), [ServerId::ONLY]);
    assert!(error.to_string().contains("no connection to Redis at the cluster of"), "{error}");
}

#[test]
fn each_node_of_a_cluster_is_a_server_and_keeps_its_number() {
    let cluster = cluster();
    let store = open(&cluster.url());
    let before = store.store.servers();
    let mut addresses: Vec<_> = before.iter().map(|(_, address)| address.clone()).collect();
    let mut nodes: Vec<_> = cluster.nodes().iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    addresses.sort();
    nodes.sort();
    assert_eq!(addresses, nodes);
    let used: HashSet<ServerId> = callers(100).iter().map(|caller| store.store.server(caller)).collect();
    assert_eq!(used, before.iter().map(|(id, _)| *id).collect());
    for node in cluster.nodes() {
        node.restart();
        cluster.until_whole();
    }
    store.until("every node answers again", async |store| {
        for caller in callers(50) {
            if store.take(&[caller]).await.is_err() {
                return false;
            }
        }
        true
    });
    assert_eq!(store.store.servers(), before);
}

#[test]
fn a_node_that_dies_fails_alone_and_by_name() {
    let cluster = cluster();
    let store = open(&cluster.url());
    let dead = &cluster.nodes()[1];
    let (server, address) = (id(&store, dead), format!("127.0.0.1:{}", dead.port()));
    dead.kill();
    for caller in callers(60).iter().chain(&callers(60)) {
        let here = store.store.server(caller) == server;
        match store.take(std::slice::from_ref(caller)) {
            Ok(_) => assert!(!here, "{caller:?}"),
            Err(error) => {
                assert!(here, "{error}");
                assert_eq!(error.servers(), [server]);
                assert!(error.to_string().contains(&address), "{error}");
            }
        }
    }
}

#[test]
fn a_node_that_hangs_is_named_by_those_who_waited_for_it() {
    let cluster = cluster();
    let store = Running::open(patient(&cluster.url()).timeout(Duration::from_millis(200)));
    store.until("it knows the cluster", async |store| store.check().await.is_ok());
    let hung = &cluster.nodes()[2];
    let charge = caller_on(&store, hung);
    hung.pause();
    let error = failure(&store, &[charge]);
    assert_eq!(error.servers(), [id(&store, hung)]);
    assert!(error.to_string().contains("did not answer within 200ms"), "{error}");
}

#[test]
fn what_other_servers_admitted_is_given_back_where_one_fails() {
    let cluster = cluster();
    let store = open(&cluster.url());
    let [first, dead, last] = [0, 1, 2].map(|node| caller_on(&store, &cluster.nodes()[node]));
    let server = id(&store, &cluster.nodes()[1]);
    cluster.nodes()[1].kill();
    for _ in 0..20 {
        let error = failure(&store, &[first.clone().cost(5), dead.clone(), last.clone().cost(5)]);
        assert_eq!(error.servers(), [server]);
        store.until("all is given back", async |store| {
            let peek = store.take(&[first.clone().cost(0), last.clone().cost(0)]).await;
            let peek = peek.expect("two that are up").allowed().expect("nothing is spent");
            peek.balances.iter().all(|balance| balance.remaining == 9)
        });
    }
}

#[test]
fn every_server_that_failed_is_named() {
    let cluster = cluster();
    let store = open(&cluster.url());
    let charges = [0, 1, 2].map(|node| caller_on(&store, &cluster.nodes()[node]));
    let dead = [0, 2].map(|node| id(&store, &cluster.nodes()[node]));
    cluster.nodes()[0].kill();
    cluster.nodes()[2].kill();
    let error = failure(&store, &charges);
    assert_eq!(error.servers().iter().copied().collect::<HashSet<_>>(), HashSet::from(dead));
    assert_eq!(error.servers().len(), 2);
}

#[test]
fn a_slot_that_has_moved_to_a_node_that_died_is_that_nodes_failure() {
    let cluster = cluster();
    let store = open(&cluster.url());
    let (from, to) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    let others: Vec<Charge> = callers(100);
    let moved: Vec<Charge> =
        others.into_iter().filter(|caller| store.store.server(caller) == id(&store, from)).collect();
    let dead = id(&store, to);
    // The store still takes the first for the owner of what moves while it asks nothing.
    cluster.migrate(0..=200, 1);
    let address = format!("127.0.0.1:{}", to.port());
    to.kill();
    let mut failed = 0;
    for caller in moved.iter().cycle().take(4 * moved.len()) {
        match store.take(&[caller.clone().cost(0)]) {
            Ok(_) => {}
            Err(error) => {
                failed += 1;
                assert_eq!(error.servers(), [dead], "{error}");
                assert!(error.to_string().contains(&address), "{error}");
                assert_eq!(store.store.server(caller), dead);
            }
        }
    }
    // It is known before anybody asks, where the connection's end makes the store look.
    assert!(failed > 0 || moved.iter().all(|caller| store.store.server(caller) != dead), "{failed}");
}

#[test]
fn a_foreign_key_is_no_servers_failure() {
    let server = RedisServer::start();
    let store = Running::open(patient(&server.url()).prefix("taken").readable_keys(true));
    server.command(&["SET", "taken:1:{=alice}:=alice:t", "somebody's own"]);
    assert_eq!(failure(&store, &[hourly("alice", 1)]).servers(), []);
}
