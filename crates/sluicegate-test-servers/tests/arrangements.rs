//! Redis servers that stand in for each other.

use std::{path::Path, time::Duration};

use sluicegate_test_servers::{RedisCluster, RedisSentinel, RedisServer};

fn runs(server: &u32) -> bool {
    Path::new("/proc").join(server.to_string()).exists()
}

fn pids(servers: &[RedisServer]) -> Vec<u32> {
    servers.iter().filter(|server| server.is_up()).map(RedisServer::pid).collect()
}

#[test]
fn a_cluster_answers_and_is_gone_when_it_is_dropped() {
    let cluster = RedisCluster::start();
    let pids = pids(cluster.nodes());

    assert_eq!(cluster.slot("123456789"), 12_739);
    for (key, primary) in [("foo", 2), ("bar", 0), ("hello", 0)] {
        let owner = cluster.owner(cluster.slot(key));
        assert_eq!(owner.port(), cluster.nodes()[primary].port(), "{key}");
        assert_eq!(owner.command(&["SET", key, "value"]), "OK");
    }
    assert!(cluster.url().contains(&format!(":{}", cluster.nodes()[2].port())));
    assert_eq!(pids.len(), 6);

    drop(cluster);
    assert!(!pids.iter().any(runs));
}

#[test]
fn a_replica_takes_over_the_slots_of_a_primary_that_is_killed() {
    let cluster = RedisCluster::start();
    let slot = cluster.slot("foo");
    let old = cluster.owner(slot);
    old.command(&["SET", "foo", "value"]);
    cluster.nodes()[5].catch_up_with(old);

    old.kill();
    let new = cluster.owner(slot);
    cluster.until_whole();
    assert_eq!(new.port(), cluster.nodes()[5].port());
    assert_eq!(new.command(&["GET", "foo"]), "value");

    // And it is the replica when it comes back.
    old.restart();
    old.catch_up_with(new);
}

#[test]
fn a_cluster_has_as_many_nodes_as_it_is_told_and_other_settings() {
    let cluster = RedisCluster::builder()
        .primaries(4)
        .replicas(1)
        .node_timeout(Duration::from_millis(2_500))
        .line("maxclients 99")
        .start();

    assert_eq!(pids(cluster.nodes()).len(), 5);
    assert_eq!(cluster.url().matches("127.0.0.1").count(), 4);
    for (slot, primary) in [(0, 0), (4_096, 1), (16_383, 3)] {
        assert_eq!(cluster.owner(slot).port(), cluster.nodes()[primary].port(), "{slot}");
    }
    for (setting, value) in [("cluster-node-timeout", "2500"), ("maxclients", "99")] {
        let told = cluster.nodes()[4].command(&["CONFIG", "GET", setting]);
        assert_eq!(told, format!("{setting}\n{value}"));
    }
}

#[test]
fn slots_move_with_their_keys() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let slot = cluster.slot("foo");
    assert_eq!(cluster.owner(slot).command(&["SET", "foo", "value"]), "OK");

    for to in [0, 1, 2] {
        cluster.migrate(slot - 3..=slot + 3, to);
        let owner = cluster.owner(slot);
        assert_eq!(owner.port(), cluster.nodes()[to].port());
        assert_eq!(owner.command(&["GET", "foo"]), "value");
    }
}

#[test]
fn valkey_moves_slots_at_once() {
    if RedisServer::valkey().is_none() {
        return;
    }
    let cluster = RedisCluster::builder().program("valkey-server").replicas(0).start();
    let slot = cluster.slot("foo");
    cluster.owner(slot).command(&["SET", "foo", "value"]);

    for to in [0, 1, 2] {
        cluster.migrate_atomically(slot - 3..=slot + 3, to);
        assert_eq!(cluster.owner(slot).port(), cluster.nodes()[to].port());
        assert_eq!(cluster.owner(slot).command(&["GET", "foo"]), "value");
    }
}

#[test]
fn sentinels_answer_and_are_gone_when_they_are_dropped() {
    let redis = RedisSentinel::start();
    let pids = [pids(redis.servers()), pids(redis.sentinels())].concat();

    assert_eq!(redis.primary().command(&["PING"]), "PONG");
    assert_eq!(redis.primary().port(), redis.servers()[0].port());
    assert!(redis.url().ends_with("/accounts"));
    assert_eq!(pids.len(), 5);

    drop(redis);
    assert!(!pids.iter().any(runs));
}

#[test]
fn sentinels_replace_a_primary_that_is_killed() {
    let redis = RedisSentinel::start_as(&RedisServer::builder().password("s3cret"));
    redis.primary().command(&["SET", "key", "value"]);
    redis.servers()[1].catch_up_with(redis.primary());

    redis.primary().kill();
    assert_eq!(redis.primary().port(), redis.servers()[1].port());
    assert_eq!(redis.primary().command(&["GET", "key"]), "value");
    assert!(redis.url().starts_with("redis+sentinel://:s3cret@127.0.0.1:"));
}
