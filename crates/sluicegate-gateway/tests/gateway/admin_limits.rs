//! The balances of a caller's accounts on the admin port, and resetting them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source};
use sluicegate_test_servers::{MemcachedServer, RedisServer};

use crate::support::{Client, Upstream, client::Answer, metric, soon};

const ME: &str = "client_ip=127.0.0.1";

#[tokio::test]
async fn every_balance_of_a_key_is_told_with_what_it_is_of() {
    let upstream = Upstream::start().await;
    let gateway = start("memory://", upstream.address).await;
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/a").await.status, 200);
    let told = get(&gateway, &format!("key={ME}")).await;
    assert_eq!((told.status, told.header("content-type")), (200, Some("application/json")));
    let mut told = json(&told);
    // A quota of a day earns one back in four hours and a bit.
    let reset_after = told["limits"][0]["reset_after"].take().as_f64().expect("seconds");
    assert!((14_398.0..=14_400.0).contains(&reset_after), "{reset_after}");
    let fresh = |limit: &str, quota: &str, unit: &str, remaining: Value, shadow: bool| {
        json!({
            "limit": limit, "account": format!("{limit}|{ME}"), "tiers": ["default"], "quota": quota, "unit": unit,
            "remaining": remaining, "reset_after": 0.0, "wait": 0.0, "shadow": shadow,
        })
    };
    let mut of_a = fresh("a", "6/day", "requests", json!(5), false);
    of_a["reset_after"] = Value::Null;
    let expected = json!({
        "key": ME,
        "limits": [
            of_a,
            fresh("bytes", "1000 bytes/hour burst 2000", "bytes", json!(2000), true),
            fresh("slots", "2 concurrent", "concurrent", json!(2), false),
        ],
    });
    assert_eq!(told, expected);
    let told = json(&get(&gateway, "key=all%7Cmethod%3AX").await);
    assert_eq!(told["status"], 404);
    let told = json(&get(&gateway, "key=global").await);
    assert_eq!((&told["limits"][0]["account"], &told["limits"][0]["remaining"]), (&json!("all"), &json!(99)));
}

#[tokio::test]
async fn who_waits_for_a_slot_is_told_no_time() {
    let mut upstream = Upstream::start().await;
    let gateway = start("memory://", upstream.address).await;
    let mut streams = Vec::new();
    for remaining in [1, 0] {
        let mut client = Client::connect(gateway.address()).await;
        client.write("GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let stream = upstream.stream().await;
        streams.push((client, stream));
        let told = json(&get(&gateway, &format!("key={ME}&limit=slots")).await)["limits"][0].take();
        let wait = if remaining == 0 { Value::Null } else { json!(0.0) };
        assert_eq!((&told["remaining"], &told["wait"]), (&json!(remaining), &wait));
    }
}

#[tokio::test]
async fn in_every_store_looking_changes_nothing_and_a_reset_forgets_what_was_spent_and_denied() {
    let (upstream, redis, memcached) =
        (Upstream::start().await, RedisServer::start(), MemcachedServer::start());
    for store in ["memory://", &redis.url(), &memcached.url()] {
        // Memcached keeps no slots.
        let gateway = start_with(store, upstream.address, "limits = [\"a\", \"all\"]").await;
        // What the store tried out when it was opened.
        let items = memcached_items(&memcached);
        let key = format!("key={ME}&limit=a");
        let left = async || json(&get(&gateway, &key).await)["limits"][0]["remaining"].clone();
        for _ in 0..10 {
            assert_eq!(left().await, 6, "{store}");
        }
        assert_eq!(metric(&gateway, "sluicegate_live_keys").await, 0, "{store}");
        redis_has_no_account(&redis).await;
        assert_eq!(memcached_items(&memcached), items, "{store}");

        let mut client = Client::connect(gateway.address()).await;
        for status in [200, 200, 200, 200, 200, 200, 429, 429] {
            assert_eq!(client.get("/a").await.status, status, "{store}");
        }
        assert_eq!(left().await, 0, "{store}");
        let reset = delete(&gateway, &key).await;
        let expected = json!({ "key": ME, "reset": [{ "limit": "a", "account": format!("a|{ME}") }] });
        assert_eq!((reset.status, json(&reset)), (200, expected), "{store}");
        assert_eq!(left().await, 6, "{store}");
        assert_eq!(client.get("/a").await.status, 200, "{store}: what was denied is forgotten");
        let all = json(&get(&gateway, "key=all").await);
        assert_eq!(all["limits"][0]["remaining"], 93, "{store}: what was not meant stays");
        redis.command(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_to_be_the_problem() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start());
    let gateway = start(&redis.url(), upstream.address).await;
    let key = format!("key={ME}");
    assert_eq!(get(&gateway, &key).await.status, 200);
    redis.kill();
    for _ in 0..10 {
        for answer in [get(&gateway, &key).await, delete(&gateway, &key).await] {
            assert_eq!((answer.status, is_problem(&answer)), (503, true), "{}", answer.text());
            assert!(answer.text().contains("the store, which does not answer"), "{}", answer.text());
        }
    }
    redis.restart();
    soon(async { while get(&gateway, &key).await.status != 200 {} }).await;
}

#[tokio::test]
async fn what_nobody_has_or_asks_like_this_is_a_problem() {
    let upstream = Upstream::start().await;
    let gateway = start("memory://", upstream.address).await;
    for (query, status) in [
        ("", 400),
        ("key=", 400),
        ("limit=a", 400),
        ("key=all&key=all", 400),
        ("key=all&limits=a", 400),
        ("key=all&limit=a&limit=a", 400),
        ("key=all&limit=b", 404),
        ("key=all&limit=a", 404),
        ("key=127.0.0.1", 404),
        ("key=%FF%00", 404),
        ("key=tenant%3Dacme", 404),
    ] {
        for answer in [get(&gateway, query).await, delete(&gateway, query).await] {
            assert_eq!((answer.status, is_problem(&answer)), (status, true), "{query}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_key_of_several_parts_is_percent_encoded() {
    let upstream = Upstream::start().await;
    let text = "limits = [{ name = \"two\", quota = \"9/day\", key = [\"header:x-user\", \"method\"] }]";
    let gateway = start_with("memory://", upstream.address, text).await;
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /a HTTP/1.1\r\nhost: localhost\r\nx-user: a|b+c&d e%\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    // As the log has it: header:x-user=a%7Cb+c&d%20e%25|method=GET
    let key = "key=header%3Ax-user%3Da%257Cb%2Bc%26d%2520e%2525%7Cmethod%3DGET";
    for key in [key.to_owned(), key.replace("key=", "key=two%7C")] {
        let told = json(&get(&gateway, &key).await);
        assert_eq!(told["limits"][0]["remaining"], 8, "{told}");
    }
}

/// A gateway whose every request meets some limits.
async fn start(store: &str, upstream: SocketAddr) -> Gateway {
    let limits = "limits = [\"a\", { name = \"bytes\", quota = \"1000 bytes/hour burst 2000\", mode = \"shadow\" }, \
                  { name = \"slots\", quota = \"2 concurrent\" }, \"all\"]\nmeter = \"bytes\"";
    start_with(store, upstream, limits).await
}

async fn start_with(store: &str, upstream: SocketAddr, route: &str) -> Gateway {
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

        [limits.a]
        quota = "6/day"

        [limits.all]
        quota = "100/day"
        key = "global"

        [[route]]
        path = "/{{*rest}}"
        {route}
        "#
    );
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    Gateway::start(Policy::parse(&source).expect("it is valid")).await.expect("the store is there")
}

async fn get(gateway: &Gateway, query: &str) -> Answer {
    ask(gateway, "GET", query).await
}

async fn delete(gateway: &Gateway, query: &str) -> Answer {
    ask(gateway, "DELETE", query).await
}

async fn ask(gateway: &Gateway, method: &str, query: &str) -> Answer {
    let mut client = Client::connect(gateway.admin_address()).await;
    client.write(format!("{method} /limits?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    client.answer().await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn is_problem(answer: &Answer) -> bool {
    answer.header("content-type") == Some("application/problem+json")
        && json(answer)["status"] == answer.status
}

/// Waits until what the store tried out when it was opened is gone, but for the mark of the time, which is kept as a log;
/// an account would stay for hours.
async fn redis_has_no_account(redis: &RedisServer) {
    soon(async { while redis.command(&["KEYS", "*"]).lines().any(|key| !key.ends_with(":g")) {} }).await;
}

fn memcached_items(memcached: &MemcachedServer) -> u64 {
    let stats = memcached.command("stats");
    let items = stats.iter().find_map(|line| line.strip_prefix("STAT curr_items "));
    items.expect("it counts them").parse().expect("a number")
}
