//! Header fields that a route keeps from its upstream.

use crate::support::{Client, Scripted, Upstream, gateway_of, http2, http2::Client2};

const POLICY: &str = r#"
    [defaults]
    remove_request_headers = ["X-Debug"]

    [[route]]
    path = "/seen"
    remove_request_headers = ["X-Conversation-Id", "Authorization"]
    limits = [{ quota = "2/day", key = "header:x-conversation-id" }]

    [[route]]
    path = "/all/seen"
    remove_request_headers = []

    [[route]]
    path = "/some/seen"
"#;

const FIELDS: &str =
    "x-conversation-id: 1\r\nX-CONVERSATION-ID: 2\r\nauthorization: Bearer x\r\nx-debug: 1\r\nx-kept: 1";

#[tokio::test]
async fn the_upstream_is_not_sent_them_in_whatever_letters_and_lines() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for (path, gone) in [
        ("/seen", &["x-conversation-id", "authorization"][..]),
        ("/all/seen", &[]),
        ("/some/seen", &["x-debug"]),
        ("/unmatched/seen", &["x-debug"]),
    ] {
        client.write(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{FIELDS}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 200);
        let seen = upstream.seen();
        for name in ["x-conversation-id", "authorization", "x-debug", "x-kept"] {
            assert_eq!(
                seen.contains(&format!("\n{name}: ")),
                !gone.contains(&name),
                "{path}: {name} in {seen}"
            );
        }
    }
}

#[tokio::test]
async fn keys_are_made_of_them_all_the_same() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let mut status_of = async |conversation: &str| {
        client
            .write(format!("GET /seen HTTP/1.1\r\nhost: a\r\nx-conversation-id: {conversation}\r\n\r\n"))
            .await;
        client.answer().await.status
    };
    for (conversation, status) in [("one", 200), ("one", 200), ("one", 429), ("two", 200)] {
        assert_eq!(status_of(conversation).await, status, "{conversation}");
    }
}

#[tokio::test]
async fn it_is_so_by_http_2_on_both_sides() {
    let upstream = Upstream::start_http2(10).await;
    let gateway = gateway_of(POLICY, upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let client = Client2::connect(gateway.address()).await;
    let mut request = http2::get("/seen");
    request.headers_mut().insert("x-conversation-id", "1".parse().expect("a value"));
    request.headers_mut().insert("x-kept", "1".parse().expect("a value"));
    assert_eq!(client.ask(request).await.status, 200);
    let seen = upstream.seen();
    assert!(seen.contains("x-kept: 1\n") && !seen.contains("x-conversation-id"), "{seen}");
}

#[tokio::test]
async fn it_is_so_where_a_connection_switches_to_another_protocol() {
    let upstream = Scripted::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    let ask = format!(
        "GET /seen HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n{FIELDS}\r\n\r\n"
    );
    client.write(ask).await;
    let seen = upstream.accept().await.request(b"\r\n\r\n").await;
    assert!(seen.contains("\r\nupgrade: websocket\r\n") && seen.contains("\r\nx-kept: 1\r\n"), "{seen}");
    assert!(!seen.contains("x-conversation-id") && !seen.contains("authorization"), "{seen}");
}
