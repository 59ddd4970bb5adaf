//! Clusters whose nodes come, go and change their parts.

use std::time::Duration;

use sluicegate::{Backend, Charge, Store};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::{RedisCluster, RedisServer};

use super::subject::{Running, hourly, patient};

fn callers() -> Vec<Charge> {
    (0..60).map(|caller| hourly(&format!("rpm|caller {caller}"), 9)).collect()
}

async fn all_answer(store: &RedisStore) -> bool {
    for caller in callers() {
        if store.take(&[caller.cost(0)]).await.is_err() {
            return false;
        }
    }
    true
}

fn port(node: &RedisServer) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn names(store: &Running, node: &RedisServer) -> bool {
    store.store.servers().iter().any(|(_, address)| *address == port(node))
}

#[test]
fn a_cluster_that_is_down_when_the_store_opens_is_found_when_it_comes() {
    let cluster = RedisCluster::builder().replicas(0).start();
    cluster.nodes().iter().for_each(RedisServer::kill);
    let store = Running::at(&cluster.url());
    store.take(&callers()[..1]).expect_err("no node is up");
    cluster.nodes().iter().for_each(RedisServer::restart);
    store.until("every slot answers", async |store| all_answer(store).await);
    assert_eq!(store.store.servers().len(), 3);
}

#[test]
fn one_address_that_answers_is_enough_to_find_a_cluster() {
    let cluster = RedisCluster::start();
    let (dead, replica) = (&cluster.nodes()[0], &cluster.nodes()[3]);
    replica.catch_up_with(dead);
    let early = Running::at(&cluster.url());
    callers().iter().for_each(|caller| drop(early.admit(std::slice::from_ref(caller))));
    replica.catch_up_with(dead);
    dead.kill();
    early.until("the replica has taken over", async |store| all_answer(store).await);
    assert!(!names(&early, dead) && names(&early, replica), "{:?}", early.store.servers());
    // The dead node is the first in the URL.
    assert!(cluster.url().starts_with(&format!("redis+cluster://{}", port(dead))));
    let late = Running::at(&cluster.url());
    late.until("every slot answers", async |store| all_answer(store).await);
    assert!(!names(&late, dead) && names(&late, replica));
    assert_eq!(early.remaining(&callers()[0]), 8);
    // It comes back as a replica, and nobody mistakes it for what it was.
    dead.restart();
    cluster.until_whole();
    early.until("every slot answers", async |store| all_answer(store).await);
    assert!(!names(&early, dead), "{:?}", early.store.servers());
}

#[test]
fn a_node_that_gives_all_its_slots_away_is_no_server_any_more_until_it_gets_some() {
    // Or else it would become a replica.
    let lonely = "cluster-allow-replica-migration no";
    let cluster = RedisCluster::builder().primaries(6).replicas(0).line(lonely).start();
    let store = Running::at(&cluster.url());
    store.until("every slot answers", async |store| all_answer(store).await);
    let before = store.store.servers();
    assert_eq!(before.len(), 6);
    let node = &cluster.nodes()[0];
    cluster.migrate(0..=2_729, 1);
    store.until("the node is left alone", async |store| {
        assert!(all_answer(store).await);
        !store.servers().iter().any(|(_, address)| *address == port(node))
    });
    assert_eq!(store.store.servers().len(), 5);
    cluster.migrate(0..=2_729, 0);
    store.until("the node is back", async |store| {
        assert!(all_answer(store).await);
        store.servers() == before
    });
}

#[test]
fn a_cluster_asks_for_its_password_everywhere() {
    let cluster = RedisCluster::builder().replicas(0).line("requirepass hunter2").start();
    let url = cluster.url().replacen("://", "://:hunter2@", 1);
    let store = Running::at(&url);
    store.until("every slot answers", async |store| all_answer(store).await);
    let wrong = Running::at(&cluster.url());
    let error = wrong.runtime.block_on(wrong.store.check()).expect_err("it gives no password");
    assert!(error.is_misconfiguration(), "{error}");
    assert!(error.to_string().contains("does not accept the username and password"), "{error}");
}

#[test]
fn a_database_number_is_refused_where_the_cluster_has_none() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let store = Running::at(&format!("{}/1", cluster.url()));
    let error = store.runtime.block_on(store.store.check()).expect_err("there is only database 0");
    assert!(error.is_misconfiguration(), "{error}");
    let text = error.to_string();
    assert!(text.contains("has no database 1") && text.contains("cluster-databases"), "{text}");
    Running::at(&format!("{}/0", cluster.url())).admit(&callers()[..1]);
}

#[test]
fn a_database_number_is_heeded_where_the_cluster_has_them() {
    if RedisServer::valkey().is_none() {
        return;
    }
    let cluster =
        RedisCluster::builder().program("valkey-server").line("cluster-databases 4").replicas(0).start();
    let [zero, one] =
        ["0", "1"].map(|db| Running::open(patient(&format!("{}/{db}", cluster.url())).prefix("books")));
    for caller in callers() {
        one.admit(std::slice::from_ref(&caller));
        assert_eq!(zero.remaining(&caller), 9);
        assert_eq!(one.remaining(&caller), 8);
    }
    one.runtime.block_on(one.store.clear()).expect("every node answers");
    assert_eq!(one.remaining(&callers()[0]), 9);
}

#[test]
fn one_server_is_told_from_a_cluster() {
    let server = RedisServer::start();
    let store = Running::at(&server.url().replacen("redis://", "redis+cluster://", 1));
    let error = store.runtime.block_on(store.store.check()).expect_err("it is alone");
    assert!(error.is_misconfiguration(), "{error}");
    assert!(error.to_string().contains("write redis:// for redis+cluster://"), "{error}");
}

#[test]
fn a_node_that_hangs_costs_the_others_no_time() {
    let cluster = RedisCluster::builder().replicas(0).node_timeout(Duration::from_secs(15)).start();
    let store = Running::open(patient(&cluster.url()).timeout(Duration::from_secs(2)));
    store.until("every slot answers", async |store| all_answer(store).await);
    let hung = &cluster.nodes()[0];
    let well: Vec<Charge> = {
        let servers = store.store.servers();
        let (server, _) = servers.iter().find(|(_, address)| *address == port(hung)).expect("it is one");
        callers().into_iter().filter(|caller| store.store.server(caller) != *server).collect()
    };
    hung.pause();
    let begun = tokio::time::Instant::now();
    // While the store gives the node up, connects again in vain, and asks who owns what.
    while begun.elapsed() < Duration::from_secs(4) {
        let asked = tokio::time::Instant::now();
        let caller = &well[usize::try_from(begun.elapsed().as_micros()).unwrap_or(0) % well.len()];
        store.admit(&[caller.clone().cost(0)]);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    hung.resume();
    store.until("every slot answers", async |store| all_answer(store).await);
}
