//! Tokens that requests reserve, and what they are charged, however their answers end.

use serde_json::json;
use sluicegate_gateway::Gateway;

use crate::support::{Client, Port, Scripted, gateway_of, metrics, scripted::Connection, soon};

const POLICY: &str = r#"
    [[route]]
    path = "/v1/chat/completions"
    meter = "openai"
    limits = [{ name = "tpm", quota = "100000 tokens/day", key = "global" }]

    [[route]]
    path = "/held/chat"
    meter = "openai"
    limits = [{ name = "held", quota = "100000 tokens/day", key = "global" }, "9 concurrent"]
    slots_until = "upstream-ends"

    [[route]]
    path = "/cut/chat"
    meter = { tokens = "openai", default_output = 10 }
    limits = [{ name = "cut", quota = "20 output_tokens/day", key = "global", on_exhausted = "cut" }]

    [[route]]
    path = "/kept/chat"
    meter = { tokens = "openai", refund = ["5xx"] }
    limits = [{ name = "kept", quota = "100000 tokens/day", key = "global" }]

    [[route]]
    path = "/late/chat"
    meter = "openai"
    limits = [{ name = "late", quota = "100000 tokens/day", key = "global" }]
    response_timeout = "50ms"
"#;
pub(crate) const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
pub(crate) const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn an_answer_is_charged_by_its_usage() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, &body(false)).await;
    let mut connection = asked(&upstream).await;
    let usage =
        json!({ "usage": { "prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28 } }).to_string();
    connection.write(&whole("200 OK", &usage)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, usage.as_str()));
    assert_eq!(charged(&gateway, CHAT, "reported").await, (21, 7));
    assert_eq!(remaining(&gateway).await, 100_000 - 28);
}

#[tokio::test]
async fn a_stream_is_charged_by_its_usage_for_which_the_gateway_asks() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, &body(true)).await;
    let mut connection = upstream.accept().await;
    let request = connection.request(b"true}").await;
    assert!(request.contains("\"stream_options\":{\"include_usage\":true}"), "{request}");
    assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    let events = [
        r#"data: {"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        r#"data: {"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":7}}"#,
        "data: [DONE]",
    ];
    connection.write(STREAM).await;
    for event in events {
        connection.write(&chunk(&format!("{event}\n\n"))).await;
    }
    connection.write("0\r\n\r\n").await;
    let answer = client.answer().await;
    let seen = answer.text();
    assert!(seen.contains("\"Hi\"") && seen.ends_with("data: [DONE]\n\n"), "{seen}");
    assert!(!seen.contains("usage"), "the client has not asked for it: {seen}");
    assert_eq!(charged(&gateway, CHAT, "reported").await, (21, 7));
}

#[tokio::test]
async fn a_client_that_asks_for_usage_gets_every_byte() {
    let (upstream, gateway) = start().await;
    let body = json!({
        "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 50, "stream": true,
        "stream_options": { "include_usage": true },
    });
    let mut client = asking(&gateway, CHAT, &body.to_string()).await;
    let mut connection = upstream.accept().await;
    assert!(connection.request(b"}}").await.ends_with(&body.to_string()), "no byte is changed");
    let events =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    connection.write(&[STREAM, &chunk(events), "0\r\n\r\n"].concat()).await;
    assert_eq!(client.answer().await.text(), events);
    assert_eq!(charged(&gateway, CHAT, "reported").await, (2, 1));
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_pays_what_was_produced_and_the_upstream_is_closed() {
    for chunks in [0, 1, 5] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, CHAT, &body(true)).await;
        let mut connection = upstream.accept().await;
        connection.request(b"true}").await;
        connection.write(STREAM).await;
        client.head().await;
        for _ in 0..chunks {
            connection.write(&chunk(WORD)).await;
            client.chunk().await;
        }
        drop(client);
        connection.closed().await;
        let (input, output) = soon_charged(&gateway, CHAT, "counted").await;
        assert!(input > 0 && output == chunks, "{input} and {output} after {chunks}");
    }
}

#[tokio::test]
async fn a_stream_whose_tokens_are_spent_is_cut_with_an_error_and_without_an_end() {
    let (upstream, gateway) = start().await;
    let stream = json!({ "messages": [{ "role": "user", "content": "hi" }], "stream": true }).to_string();
    let mut client = asking(&gateway, "/cut/chat", &stream).await;
    let mut connection = upstream.accept().await;
    connection.request(b"true}").await;
    connection.write(STREAM).await;
    for _ in 0..21 {
        connection.write_if_open(&chunk(WORD)).await;
    }
    connection.closed().await;
    let rest = String::from_utf8(client.rest().await).expect("it is ASCII");
    assert_eq!(rest.matches("word").count(), 21, "{rest}");
    assert!(
        rest.contains("data: {\"error\":{\"message\":\"Too Many Requests: the tokens of the limit cut "),
        "{rest}"
    );
    assert!(!rest.ends_with("0\r\n\r\n"), "it has no proper end: {rest}");
    assert_eq!(soon_charged(&gateway, "/cut/chat", "counted").await.1, 21);
}

#[tokio::test]
async fn a_stream_that_its_upstream_breaks_is_charged_by_what_came() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, &body(true)).await;
    let mut connection = upstream.accept().await;
    connection.request(b"true}").await;
    connection.write(&[STREAM, &chunk(WORD)].concat()).await;
    client.head().await;
    client.chunk().await;
    connection.reset();
    assert!(client.rest().await.is_empty(), "the end is missing");
    assert_eq!(soon_charged(&gateway, CHAT, "counted").await.1, 1);
}

#[tokio::test]
async fn an_upstream_that_refuses_gives_the_tokens_back() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, &body(false)).await;
    let mut connection = asked(&upstream).await;
    connection.write(&whole("400 Bad Request", "{\"error\":{\"message\":\"no\"}}")).await;
    assert_eq!(client.answer().await.status, 400);
    assert_eq!(remaining(&gateway).await, 100_000);
}

#[tokio::test]
async fn an_upstream_that_refuses_by_a_status_without_refund_keeps_the_reservation() {
    for (status, source) in [("400 Bad Request", "reserved"), ("500 Internal Server Error", "counted")] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, "/kept/chat", &body(false)).await;
        asked(&upstream).await.write(&whole(status, "{\"error\":{\"message\":\"no\"}}")).await;
        client.answer().await;
        let (input, output) = charged(&gateway, "/kept/chat", source).await;
        assert_eq!(
            (input > 0, output),
            if source == "reserved" { (true, 50) } else { (false, 0) },
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_gives_the_tokens_back() {
    let nobody = Port::keep();
    let gateway = gateway_of(POLICY, nobody.address, |_| {});
    let mut client = asking(&gateway, CHAT, &body(false)).await;
    assert_eq!(client.answer().await.status, 502);
    assert_eq!(remaining(&gateway).await, 100_000);
}

#[tokio::test]
async fn an_upstream_that_takes_too_long_keeps_the_reservation() {
    let (_upstream, gateway) = start().await;
    let mut client = asking(&gateway, "/late/chat", &body(false)).await;
    assert_eq!(client.answer().await.status, 504);
    assert_eq!(charged(&gateway, "/late/chat", "reserved").await.1, 50);
}

#[tokio::test]
async fn a_request_that_goes_on_without_its_client_is_charged_by_its_usage() {
    for leaves_before_the_head in [true, false] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, "/held/chat", &body(false)).await;
        let mut connection = asked(&upstream).await;
        let usage = json!({ "usage": { "prompt_tokens": 21, "completion_tokens": 7 } }).to_string();
        let answer = whole("200 OK", &usage);
        let (head, rest) = answer.split_at(answer.len() - usage.len());
        if leaves_before_the_head {
            drop(client);
            connection.write(head).await;
        } else {
            connection.write(head).await;
            client.head().await;
            drop(client);
        }
        connection.write(rest).await;
        assert_eq!(soon_charged(&gateway, "/held/chat", "reported").await, (21, 7));
    }
}

pub(crate) async fn start() -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    (upstream, gateway)
}

pub(crate) fn body(streams: bool) -> String {
    json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 50, "stream": streams })
        .to_string()
}

/// A client that has sent a request.
pub(crate) async fn asking(gateway: &Gateway, path: &str, body: &str) -> Client {
    let mut client = Client::connect(gateway.address()).await;
    let head = "host: a\r\naccept-encoding: gzip\r\ncontent-type: application/json";
    let length = body.len();
    client.write(format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
    client
}

/// The connection on which the upstream has got a request without a stream.
async fn asked(upstream: &Scripted) -> Connection {
    let mut connection = upstream.accept().await;
    connection.request(b"false}").await;
    connection
}

pub(crate) fn whole(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

pub(crate) fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The input and output tokens that were charged.
pub(crate) async fn charged(gateway: &Gateway, route: &str, source: &str) -> (u64, u64) {
    let metrics = metrics(gateway).await;
    let value = |class| {
        let series =
            format!("sluicegate_tokens_total{{route=\"{route}\",class=\"{class}\",source=\"{source}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {series} in {metrics}"))
    };
    (value("input"), value("output"))
}

/// The same, once there are any: nobody waits for the end of a request whose client has left.
pub(crate) async fn soon_charged(gateway: &Gateway, route: &str, source: &str) -> (u64, u64) {
    soon(async {
        loop {
            let charged = charged(gateway, route, source).await;
            if charged.0 > 0 {
                return charged;
            }
        }
    })
    .await
}

/// The tokens that the next request would find.
async fn remaining(gateway: &Gateway) -> u64 {
    let mut client = Client::connect(gateway.admin_address()).await;
    let told = client.get("/limits?key=global&limit=tpm").await;
    let told: serde_json::Value = serde_json::from_str(told.text()).expect("it is JSON");
    told["limits"][0]["remaining"].as_u64().unwrap_or_else(|| panic!("no account of `tpm` in {told}"))
}

pub(crate) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
