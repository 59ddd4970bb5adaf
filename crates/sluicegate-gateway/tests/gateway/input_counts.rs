//! Input that the upstream counts before a request is decided.

use serde_json::{Value, json};
use sluicegate_gateway::Gateway;

use crate::support::{Client, Scripted, gateway_of, metric, soon};

const POLICY: &str = r#"
    [limits.tpm]
    quota = "100000 tokens/day"
    key = "global"

    [[route]]
    path = "/v1/chat/completions"
    meter = { tokens = "openai", count = "upstream", count_timeout = "5s" }
    limits = ["tpm"]
    remove_request_headers = ["x-internal"]

    [[route]]
    path = "/v1/completions"
    meter = { tokens = "openai", count = "upstream", count_timeout = "5s" }
    limits = ["tpm"]

    [[route]]
    path = "/v1/messages"
    meter = { tokens = "anthropic", count = "upstream", count_timeout = "5s" }
    limits = ["tpm"]

    [[route]]
    path = "/named"
    meter = { tokens = "openai", count = "/llm/tokenize", count_timeout = "5s" }
    limits = ["tpm"]

    [[route]]
    path = "/late"
    meter = { tokens = "openai", count = "/tokenize", count_timeout = "50ms" }
    limits = ["tpm"]

    [[route]]
    path = "/once"
    meter = { tokens = "openai", count = "/tokenize", count_timeout = "5s" }
    limits = ["tpm", { name = "once", quota = "1/day", key = "header:x-key" }]

    [[route]]
    path = "/free"
"#;
const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn the_count_of_the_upstream_is_reserved_in_place_of_the_estimate() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, "authorization: Bearer k\r\nx-internal: 1\r\n", &chat()).await;
    let mut connection = upstream.accept().await;
    let count = connection.request(MESSAGES_END).await;
    assert!(count.starts_with("post /v1/chat/completions/input_tokens http/1.1\r\n"), "{count}");
    let body = r#"{"messages":[{"content":"hi","role":"user"}]}"#;
    assert!(count.ends_with(&format!("\r\n\r\n{body}")), "{count}");
    for line in [
        "authorization: bearer k\r\n",
        "content-type: application/json\r\n",
        "accept-encoding: identity\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        &format!("content-length: {}\r\n", body.len()),
    ] {
        assert!(count.contains(line), "no {line} in {count}");
    }
    for name in ["x-internal", "idempotency-key"] {
        assert!(!count.contains(name), "{name} in {count}");
    }
    connection.write(&ok(r#"{"input_tokens":1234}"#)).await;
    // On the same connection.
    let request = connection.request(b"false}").await;
    assert!(request.starts_with("post /v1/chat/completions http/1.1\r\n"), "{request}");
    assert!(request.contains("idempotency-key: 7\r\n"), "{request}");
    assert_eq!(reserved(&gateway, CHAT).await, 1234);
    connection.write(&usage(1234)).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(counts(&gateway, CHAT).await, (1, 0));
    assert_eq!(remaining(&gateway).await, 100_000 - 1234 - 1);
}

#[tokio::test]
async fn a_server_with_another_endpoint_is_found_out_and_remembered() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, "", &chat()).await;
    let mut connection = upstream.accept().await;
    connection.request(MESSAGES_END).await;
    connection.write(&answer("405 Method Not Allowed", r#"{"detail":"Method Not Allowed"}"#)).await;
    for (turn, count) in [40, 41].into_iter().enumerate() {
        let asked = connection.request(MESSAGES_END).await;
        assert!(asked.starts_with("post /tokenize http/1.1\r\n"), "{asked}");
        let tokens = vec!["17"; count].join(",");
        connection
            .write(&ok(&format!("{{\"count\":{count},\"max_model_len\":4096,\"tokens\":[{tokens}]}}")))
            .await;
        connection.request(b"false}").await;
        connection.write(&usage(count)).await;
        client.answer().await;
        if turn == 0 {
            client = asking(&gateway, CHAT, "", &chat()).await;
        }
    }
    assert_eq!(reserved(&gateway, CHAT).await, 81);
    assert_eq!(counts(&gateway, CHAT).await, (2, 0));
}

#[tokio::test]
async fn each_interface_is_asked_in_its_own_form() {
    let prompt = json!({ "prompt": "a b", "model": "m", "stream": false, "max_tokens": 1 }).to_string();
    let asks_prompt = r#"{"model":"m","prompt":"a b","add_special":true,"content":"a b"}"#;
    let asks_messages = r#"{"messages":[{"content":"hi","role":"user"}]}"#;
    for (path, body, endpoint, asks, answer) in [
        ("/v1/completions", &prompt, "/tokenize", asks_prompt, r#"{"tokens":[2,5,6]}"#),
        ("/v1/messages", &chat(), "/v1/messages/count_tokens", asks_messages, r#"{"input_tokens":3}"#),
        ("/named", &chat(), "/llm/tokenize", asks_messages, r#"{"count":3,"tokens":[1,2,3]}"#),
    ] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, path, "", body).await;
        let mut connection = upstream.accept().await;
        let asked = connection.request(asks.as_bytes()).await;
        assert!(asked.starts_with(&format!("post {endpoint} ")), "{asked}");
        connection.write(&ok(answer)).await;
        connection.request(b"false}").await;
        connection.write(&usage(3)).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!((reserved(&gateway, path).await, counts(&gateway, path).await), (3, (1, 0)), "{path}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_count_leaves_the_estimate() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{{\"input_tokens\":9,\"a\":\"{}",
        "a".repeat(200_000)
    );
    for bad in [
        &answer("500 Internal Server Error", "{}"),
        &answer("400 Bad Request", "{\"error\":{}}"),
        &answer("404 Not Found", ""),
        &ok("<html>"),
        &ok(r#"{"input_tokens":"9"}"#),
        &ok(""),
        &"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"inp".to_owned(),
        &"nonsense".to_owned(),
        &huge,
    ] {
        let (upstream, gateway) = start().await;
        let mut client = asking(&gateway, "/named", "", &chat()).await;
        let mut connection = upstream.accept().await;
        connection.request(MESSAGES_END).await;
        connection.write_if_open(bad).await;
        let is_whole = bad.starts_with("HTTP/1.1") && bad.len() < 1000 && !bad.ends_with("{\"inp");
        let mut connection = if is_whole {
            connection
        } else {
            drop(connection);
            upstream.accept().await
        };
        connection.request(b"false}").await;
        connection.write(&usage(8)).await;
        assert_eq!(client.answer().await.status, 200, "{bad:.60}");
        assert_eq!(
            (reserved(&gateway, "/named").await, counts(&gateway, "/named").await),
            (8, (0, 1)),
            "{bad:.60}"
        );
    }
}

#[tokio::test]
async fn a_server_without_an_endpoint_is_not_asked_each_time() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, CHAT, "", &chat()).await;
    let mut connection = upstream.accept().await;
    for _ in 0..2 {
        connection.request(MESSAGES_END).await;
        connection.write(&answer("404 Not Found", "")).await;
    }
    for _ in 0..3 {
        let request = connection.request(b"false}").await;
        assert!(request.starts_with("post /v1/chat/completions http"), "{request}");
        connection.write(&usage(8)).await;
        client.answer().await;
        client = asking(&gateway, CHAT, "", &chat()).await;
    }
    assert_eq!(counts(&gateway, CHAT).await.0, 0);
}

#[tokio::test]
async fn a_late_count_is_not_waited_for() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, "/late", "", &chat()).await;
    let mut silent = upstream.accept().await;
    silent.request(MESSAGES_END).await;
    let mut connection = upstream.accept().await;
    connection.request(b"false}").await;
    silent.closed().await;
    connection.write(&usage(8)).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!((reserved(&gateway, "/late").await, counts(&gateway, "/late").await), (8, (0, 1)));
}

#[tokio::test]
async fn a_count_that_trickles_in_is_waited_for_no_longer() {
    let (upstream, gateway) = start().await;
    let _client = asking(&gateway, "/late", "", &chat()).await;
    let mut slow = upstream.accept().await;
    slow.request(MESSAGES_END).await;
    slow.write("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n").await;
    let trickle = async {
        loop {
            slow.write_if_open(" ").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let mut connection = tokio::select! {
        connection = upstream.accept() => connection,
        () = trickle => unreachable!("it trickles for ever"),
    };
    connection.request(b"false}").await;
    assert_eq!(counts(&gateway, "/late").await, (0, 1));
}

#[tokio::test]
async fn a_request_that_is_denied_costs_the_upstream_no_count() {
    let (upstream, gateway) = start().await;
    let mut client = asking(&gateway, "/once", "x-key: a\r\n", &chat()).await;
    let mut connection = upstream.accept().await;
    connection.request(MESSAGES_END).await;
    connection.write(&ok(r#"{"count":8}"#)).await;
    connection.request(b"false}").await;
    connection.write(&usage(8)).await;
    assert_eq!(client.answer().await.status, 200);
    for _ in 0..3 {
        let mut denied = asking(&gateway, "/once", "x-key: a\r\n", &chat()).await;
        assert_eq!(denied.answer().await.status, 429);
    }
    // The next request that the upstream sees is this one.
    let mut client = asking(&gateway, "/free", "", "{\"a\":false}").await;
    let request = connection.request(b"false}").await;
    assert!(request.starts_with("post /free "), "{request}");
    connection.write(&ok("{}")).await;
    client.answer().await;
    assert_eq!(counts(&gateway, "/once").await, (1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_while_its_input_is_counted_leaves_nothing_behind() {
    let (upstream, gateway) = start().await;
    let client = asking(&gateway, CHAT, "", &chat()).await;
    let mut connection = upstream.accept().await;
    connection.request(MESSAGES_END).await;
    drop(client);
    connection.closed().await;
    soon(async {
        while metric(&gateway, "sluicegate_in_flight_requests{route=\"/v1/chat/completions\"}").await > 0 {}
    })
    .await;
    assert_eq!((remaining(&gateway).await, counts(&gateway, CHAT).await), (100_000, (0, 0)));
}

async fn start() -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    (upstream, gateway)
}

/// A request whose input is estimated as 8 tokens.
fn chat() -> String {
    json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 1, "stream": false }).to_string()
}

/// A client that has sent a request.
async fn asking(gateway: &Gateway, path: &str, lines: &str, body: &str) -> Client {
    let mut client = Client::connect(gateway.address()).await;
    let head = format!("host: a\r\nidempotency-key: 7\r\n{lines}content-length: {}", body.len());
    client.write(format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}")).await;
    client
}

fn ok(body: &str) -> String {
    answer("200 OK", body)
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The answer to a request that used so much input, and one token of output.
fn usage(input: usize) -> String {
    let usage = json!({
        "prompt_tokens": input, "completion_tokens": 1, "input_tokens": input, "output_tokens": 1,
    });
    ok(&json!({ "usage": usage }).to_string())
}

/// The input tokens that requests of a route have reserved.
async fn reserved(gateway: &Gateway, route: &str) -> u64 {
    metric(gateway, &format!("sluicegate_reserved_tokens_total{{route=\"{route}\",class=\"input\"}}")).await
}

/// The requests whose input was counted, and those that were to be and were not.
async fn counts(gateway: &Gateway, route: &str) -> (u64, u64) {
    let series = |result| format!("sluicegate_input_counts_total{{route=\"{route}\",result=\"{result}\"}}");
    (metric(gateway, &series("counted")).await, metric(gateway, &series("estimated")).await)
}

/// The tokens that the next request would find.
async fn remaining(gateway: &Gateway) -> u64 {
    let mut client = Client::connect(gateway.admin_address()).await;
    let told = client.get("/limits?key=global&limit=tpm").await;
    let told: Value = serde_json::from_str(told.text()).expect("it is JSON");
    told["limits"][0]["remaining"].as_u64().unwrap_or_else(|| panic!("no account of `tpm` in {told}"))
}

/// The end of a request that asks for the tokens of [`chat`].
const MESSAGES_END: &[u8] = b"\"user\"}]}";
