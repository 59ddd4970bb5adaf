//! A proxy's changes to the heads of messages, and the things that it must not change.

use std::net::{IpAddr, Ipv4Addr};

use sluicegate_policy::ForwardedHeader;

use crate::support::{Client, Upstream, gateway, gateway_with};

/// The head that the upstream sees when a client sends `lines` after the request line.
async fn seen(client: &mut Client, upstream: &Upstream, lines: &str) -> String {
    client.write(format!("GET /seen?q=1 HTTP/1.1\r\n{lines}\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 200, "{lines}");
    upstream.seen()
}

#[tokio::test]
async fn the_host_and_the_target_are_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let head = seen(&mut client, &upstream, "Host: models.example:8080").await;
    assert!(head.starts_with("GET /seen?q=1\n"), "{head}");
    assert!(head.contains("host: models.example:8080\n"), "{head}");
    assert!(head.contains("via: 1.1 sluicegate\n"), "{head}");
}

#[tokio::test]
async fn the_base_path_of_the_upstream_comes_before_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        let url = format!("http://{}/api/v2/", upstream.address);
        settings.upstreams = vec![url.parse().expect("a URL")];
    });
    let mut client = Client::connect(gateway.address()).await;
    let head = seen(&mut client, &upstream, "host: a").await;
    assert!(head.starts_with("GET /api/v2/seen?q=1\n"), "{head}");
}

#[tokio::test]
async fn an_absolute_target_names_the_host() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET http://real.example/seen HTTP/1.1\r\nhost: other.example\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let head = upstream.seen();
    assert!(head.starts_with("GET /seen\n") && head.contains("host: real.example\n"), "{head}");
}

#[tokio::test]
async fn fields_of_one_connection_go_no_further() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let lines = "host: a\r\nConnection: Keep-Alive, X-Private , upgrade\r\nconnection: x-other\r\n\
                 x-private: 1\r\nx-other: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\n\
                 Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nx-public: 1";
    let head = seen(&mut client, &upstream, lines).await;
    for gone in ["x-private", "x-other", "keep-alive", "upgrade", "proxy-"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    assert!(head.contains("\nte: trailers\nconnection: te\n"), "trailers pass through the gateway: {head}");
    assert!(head.contains("x-public: 1\n"), "{head}");

    let answer = client.get("/hops").await;
    assert!(!answer.head.contains("x-mine") && !answer.head.contains("keep-alive"), "{}", answer.head);
    assert_eq!(answer.header("x-yours"), Some("kept"));
}

#[tokio::test]
async fn a_request_has_one_id_for_client_and_upstream() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for (sent, kept) in [
        ("x-request-id: trace-7", Some("trace-7")),
        ("x-request-id: trace-7\r\nconnection: x-request-id", Some("trace-7")),
        ("x-request-id: two words", None),
        ("x-other: 1", None),
    ] {
        client.write(format!("GET /seen HTTP/1.1\r\nhost: a\r\n{sent}\r\n\r\n")).await;
        let answer = client.answer().await;
        let id = answer.header("x-request-id").expect("every answer has one").to_owned();
        assert!(kept.map_or(id.len() == 32, |kept| id == kept), "{sent}: {id}");
        let head = upstream.seen();
        assert_eq!(head.matches("x-request-id:").count(), 1, "{head}");
        assert!(head.contains(&format!("x-request-id: {id}\n")), "{id}: {head}");
    }
}

#[tokio::test]
async fn an_upstreams_own_request_id_stays() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let answer = Client::connect(gateway.address()).await.get("/id").await;
    assert_eq!(answer.header("x-request-id"), Some("the-models"));
}

#[tokio::test]
async fn forwarding_fields_of_a_stranger_are_replaced() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let lines = "host: a\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: evil\r\nX-Forwarded-Port: 666\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6";
    let head = seen(&mut client, &upstream, lines).await;
    assert!(!head.contains("6.6.6.6") && !head.contains("evil") && !head.contains("666"), "{head}");
    assert!(head.contains("x-forwarded-for: 127.0.0.1\n"), "{head}");
    assert!(head.contains("x-forwarded-proto: http\n") && head.contains("x-forwarded-host: a\n"), "{head}");
}

#[tokio::test]
async fn forwarding_fields_of_a_trusted_proxy_are_continued() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, trust_loopback);
    let mut client = Client::connect(gateway.address()).await;
    let lines = "host: a\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 10.0.0.7\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: public.example\r\nForwarded: for=6.6.6.6";
    let head = seen(&mut client, &upstream, lines).await;
    assert!(head.contains("x-forwarded-for: 1.2.3.4, 10.0.0.7, 127.0.0.1\n"), "{head}");
    assert!(head.contains("x-forwarded-proto: https\n"), "{head}");
    assert!(head.contains("x-forwarded-host: public.example\n"), "{head}");
    assert!(!head.contains("6.6.6.6"), "nobody maintains the other header: {head}");
}

#[tokio::test]
async fn naming_a_forwarding_field_in_connection_changes_nothing() {
    let upstream = Upstream::start().await;
    let lines = "host: a\r\nconnection: X-Forwarded-For, x-forwarded-proto, Host, content-length\r\n\
                 x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https";
    for (trusted, line, proto) in [(false, "127.0.0.1", "http"), (true, "1.2.3.4, 127.0.0.1", "https")] {
        let gateway = gateway_with(upstream.address, |settings| {
            if trusted {
                trust_loopback(settings);
            }
        });
        let mut client = Client::connect(gateway.address()).await;
        let head = seen(&mut client, &upstream, lines).await;
        assert!(head.contains(&format!("x-forwarded-for: {line}\n")), "{head}");
        assert!(head.contains(&format!("x-forwarded-proto: {proto}\n")), "{head}");
        assert!(head.contains("\nhost: a\n"), "{head}");
    }
}

#[tokio::test]
async fn the_forwarded_header_is_continued_where_the_policy_chooses_it() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        trust_loopback(settings);
        settings.forwarded_header = ForwardedHeader::Forwarded;
    });
    let mut client = Client::connect(gateway.address()).await;
    let lines = "host: a:1\r\nforwarded: for=\"[2001:db8::1]\";proto=https\r\nx-forwarded-for: 6.6.6.6";
    let head = seen(&mut client, &upstream, lines).await;
    let line = "forwarded: for=\"[2001:db8::1]\";proto=https, for=127.0.0.1;host=\"a:1\";proto=http\n";
    assert!(head.contains(line), "{head}");
    assert!(head.contains("x-forwarded-for: 2001:db8::1\n"), "{head}");
}

#[tokio::test]
async fn a_request_without_one_host_is_400() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for bad in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"] {
        client.write(bad).await;
        assert_eq!(client.answer().await.status, 400, "{bad}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_target_that_is_no_path_is_400() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for bad in ["CONNECT models:443", "GET models:443", "GET http://user:secret@models/"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("{bad} HTTP/1.1\r\nhost: models:443\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 400, "{bad}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn an_old_client_without_a_host_is_served() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /seen HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    assert!(upstream.seen().contains(&format!("host: {}\n", upstream.address)), "{}", upstream.seen());
    assert!(upstream.seen().contains("via: 1.0 sluicegate\n"), "{}", upstream.seen());
}

#[tokio::test]
async fn what_is_not_http_is_400_and_closes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for bad in [
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(bad).await;
        assert_eq!(client.answer().await.status, 400, "{bad:?}");
        assert!(client.closed_cleanly().await, "{bad:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn of_two_framings_only_chunks_count_and_the_connection_closes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for (first, second) in [
        ("content-length: 3", "transfer-encoding: chunked"),
        ("transfer-encoding: chunked", "content-length: 3"),
    ] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{first}\r\n{second}\r\n\r\n")).await;
        client.write("5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.text(), "hello");
        assert!(!upstream.seen().contains("content-length"), "{}", upstream.seen());
        assert!(client.closed_cleanly().await);
    }
    assert_eq!(upstream.requests(), 2, "nothing was smuggled");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let padding = "a".repeat(100_000);
    client.write(format!("GET / HTTP/1.1\r\nhost: a\r\nx-padding: {padding}\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 431);
}

fn trust_loopback(settings: &mut sluicegate_policy::GatewaySettings) {
    settings.trusted_proxies = vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()];
}
