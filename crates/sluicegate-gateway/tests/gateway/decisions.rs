//! The policy at work between two sockets: slots, refusals, warm-up, API keys, and what is counted.

use bytes::Bytes;
use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{KeyFile, Policy, Source, UtcTime};

use crate::support::{Client, Nobody, Upstream, gateway, gateway_of, soon, until};

#[tokio::test]
async fn a_stream_holds_its_slot_until_its_last_byte() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let (mut streaming, mut other) = two_clients(&gateway).await;
    streaming.write("GET /slot/stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    stream.send_data(Bytes::from_static(b"one")).await.expect("the gateway reads");
    assert_eq!(streaming.head().await.status, 200);
    let denied = other.get("/slot/seen").await;
    assert_eq!((denied.status, denied.header("retry-after")), (429, Some("1")));
    drop(stream);
    assert!(streaming.chunk().await.is_some() && streaming.chunk().await.is_none());
    assert_eq!(other.get("/slot/seen").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_slot_back_at_once() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for path in ["/slot/hang", "/slot/stream"] {
        let (mut leaving, mut other) = two_clients(&gateway).await;
        leaving.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        // The other client must not take the slot first.
        until(|| upstream.requests() > 0).await;
        let _stream = match path {
            "/slot/stream" => Some(upstream.stream().await),
            _ => None,
        };
        soon(async { while other.get("/slot/seen").await.status != 429 {} }).await;
        drop(leaving);
        soon(async { while other.get("/slot/seen").await.status != 200 {} }).await;
    }
}

#[tokio::test]
async fn an_upstream_that_fails_gives_the_slot_back() {
    let nobody = Nobody::new();
    let gateway = gateway(nobody.address);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        assert_eq!(client.get("/slot/seen").await.status, 502);
    }
}

#[tokio::test]
async fn an_answer_of_the_gateways_own_is_a_problem_with_the_requests_id() {
    let nobody = Nobody::new();
    let gateway = gateway(nobody.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /seen HTTP/1.1\r\nhost: a\r\nx-request-id: trace-7\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("x-request-id"), Some("trace-7"));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&problem["status"], &problem["title"]), (&502.into(), &"Bad Gateway".into()), "{problem}");
}

#[tokio::test]
async fn a_key_that_is_revoked_in_its_file_opens_nothing_any_more() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a place for files");
    let path = folder.path().join("keys.toml");
    let file = KeyFile::at(&path);
    let secret = file.add("acme", None, UtcTime::from_unix(0)).expect("the folder is ours");
    let policy = format!("[identity]\napi_keys = {path:?}\nfailures = \"1000/minute\"");
    let gateway = gateway_of(&policy, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let request = format!("GET /seen HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\n\r\n", secret.as_str());
    client.write(&request).await;
    assert_eq!(client.answer().await.status, 200);

    let id = &file.list().expect("it was just written")[0].id;
    file.revoke(id, UtcTime::from_unix(1)).expect("it is there");
    let revoked = async {
        loop {
            client.write(&request).await;
            if client.answer().await.status == 401 {
                break;
            }
        }
    };
    soon(revoked).await;
}

#[tokio::test]
async fn a_gateway_does_not_start_without_its_keys() {
    let text = "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"\n\
                [identity]\napi_keys = \"/nowhere/keys.toml\"";
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    let started = Gateway::start(Policy::parse(&source).expect("it is valid")).await;
    assert!(matches!(started, Err(StartError::ApiKeys(_))), "{started:?}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_address_does_not_start() {
    let upstream = Upstream::start().await;
    let first = gateway(upstream.address);
    let text = format!(
        "[gateway]\nlisten = \"{}\"\nadmin = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"",
        first.address()
    );
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    let second = Gateway::start(Policy::parse(&source).expect("it is valid")).await;
    assert!(matches!(second, Err(StartError::Listen(..))), "{second:?}");
}

#[tokio::test]
async fn every_limit_counts_what_it_decided() {
    let upstream = Upstream::start().await;
    let policy = "[[route]]\npath = \"/seen\"\nlimits = [\n\
                  { name = \"enforced\", quota = \"2/day\" },\n\
                  { name = \"trial\", quota = \"1/day\", mode = \"shadow\" },\n]";
    let gateway = gateway_of(policy, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for status in [200, 200, 429] {
        assert_eq!(client.get("/seen").await.status, status);
    }
    let metrics = Client::connect(gateway.admin_address()).await.get("/metrics").await;
    for line in [
        "sluicegate_decisions_total{limit=\"enforced\",decision=\"allow\"} 2",
        "sluicegate_decisions_total{limit=\"enforced\",decision=\"deny\"} 1",
        "sluicegate_shadow_denials_total{limit=\"trial\"} 1",
        "sluicegate_live_keys 2",
        "sluicegate_evictions_total 0",
    ] {
        assert!(metrics.text().contains(&format!("\n{line}\n")), "{line} in {}", metrics.text());
    }
}

async fn two_clients(gateway: &Gateway) -> (Client, Client) {
    (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await)
}
