//! Gateways whose accounts are in Redis.

use std::net::SocketAddr;

use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{Policy, Source};
use sluicegate_test_servers::RedisServer;

use crate::support::{Client, Upstream, client::Answer, soon};

#[tokio::test]
async fn two_gateways_give_out_one_quota() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start());
    let one = start(&redis.url(), upstream.address).await.expect("Redis is there");
    let other = start(&redis.url(), upstream.address).await.expect("Redis is there");
    let (mut one, mut other) = (Client::connect(one.address()).await, Client::connect(other.address()).await);
    assert_eq!(one.get("/shared").await.status, 200);
    assert_eq!(other.get("/shared").await.status, 200);
    assert_eq!([one.get("/shared").await.status, other.get("/shared").await.status], [429, 429]);
}

#[tokio::test]
async fn a_gateway_does_not_start_where_a_person_must_mend_the_store() {
    let redis = RedisServer::builder().password("hunter2").start();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    for url in [redis.url().replace("hunter2", "hunter3"), "redis://:hunter2@".to_owned()] {
        let error = start(&url, nowhere).await.expect_err("the store is wrong");
        assert!(matches!(error, StartError::Store(_)), "{error:?}");
        let said = format!("{error} {error:?}");
        assert!(said.starts_with("the store cannot be used: ") && !said.contains("hunter"), "{said}");
    }
}

#[tokio::test]
async fn a_gateway_starts_before_its_store_and_counts_what_it_does_without() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start());
    redis.kill();
    let gateway = soon(start(&redis.url(), upstream.address)).await.expect("Redis may come later");
    let mut client = Client::connect(gateway.address()).await;
    let statuses = [client.get("/shared").await.status, client.get("/shared").await.status];
    assert_eq!(statuses, [200, 200], "from memory");
    assert_eq!(client.get("/shared").await.status, 429);
    assert_eq!(client.get("/allowed").await.status, 200);
    assert_eq!(client.get("/denied").await.status, 503);
    let metrics = metrics(&gateway).await;
    for line in [
        "sluicegate_store_up 0",
        "sluicegate_store_outages_total 1",
        "sluicegate_outage_decisions_total{outage=\"local\"} 3",
        "sluicegate_outage_decisions_total{outage=\"allow\"} 1",
        "sluicegate_outage_decisions_total{outage=\"deny\"} 1",
        "sluicegate_live_keys 1",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} in {metrics}");
    }
    let server = redis.url().replace("redis://", "");
    let down = format!("\nsluicegate_store_server_up{{server=\"{server}\"}} 0\n");
    assert!(metrics.contains(&down), "{down} in {metrics}");
    let ready = ready(&gateway).await;
    assert_eq!(
        (ready.status, ready.text()),
        (200, format!("ok\nthe store's server {server} does not answer\n").as_str())
    );

    redis.restart();
    soon(async { while client.get("/denied").await.status != 200 {} }).await;
    assert!(self::metrics(&gateway).await.contains("\nsluicegate_store_up 1\n"));
    assert_eq!(self::ready(&gateway).await.text(), "ok\n");
}

#[tokio::test]
async fn what_a_store_elsewhere_does_is_counted() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start());
    let gateway = start(&redis.url(), upstream.address).await.expect("Redis is there");
    let before = metrics(&gateway).await;
    assert!(before.contains("\nsluicegate_store_takes_total 0\n"), "{before}");
    let mut client = Client::connect(gateway.address()).await;
    for status in [200, 200, 429, 429, 429] {
        assert_eq!(client.get("/shared").await.status, status);
    }
    let metrics = metrics(&gateway).await;
    for line in [
        "sluicegate_store_up 1",
        "sluicegate_store_takes_total 3",
        "sluicegate_remembered_denials_total 2",
        "sluicegate_store_errors_total 0",
        "sluicegate_lost_settlements_total 0",
        "sluicegate_live_leases 0",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} in {metrics}");
    }
}

/// A gateway with a quota of two a day, and limits that do other things in an outage.
async fn start(store: &str, upstream: SocketAddr) -> Result<Gateway, StartError> {
    let text = format!(
        r#"
        [gateway]
        listen = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        upstream = "http://{upstream}"
        threads = 1

        [store]
        url = "{store}"
        timeout = "1s"

        [[route]]
        path = "/shared"
        limits = ["2/day"]

        [[route]]
        path = "/allowed"
        limits = [{{ quota = "1/day", outage = "allow" }}]

        [[route]]
        path = "/denied"
        limits = [{{ quota = "1000000/day", outage = "deny" }}]
        "#
    );
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    Gateway::start(Policy::parse(&source).expect("it is valid")).await
}

async fn ready(gateway: &Gateway) -> Answer {
    Client::connect(gateway.admin_address()).await.get("/readyz").await
}

async fn metrics(gateway: &Gateway) -> String {
    Client::connect(gateway.admin_address()).await.get("/metrics").await.text().to_owned()
}
