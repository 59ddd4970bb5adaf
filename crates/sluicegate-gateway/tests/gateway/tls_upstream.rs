//! Upstreams that are spoken to by TLS: another gateway stands before the server.

use std::{fs, path::PathBuf};

use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{GatewaySettings, Policy, Source};

use crate::support::{
    Client, Scripted, Upstream, gateway_of, gateway_with, in_flight_is_zero, noise, soon, tls::Authority,
};

/// A gateway before `https://HOST` at the port where another serves.
fn before(secured: &Gateway, host: &str, ca: Option<PathBuf>) -> Gateway {
    let url = format!("https://{host}:{}", secured.address().port());
    gateway_with(secured.address(), |settings: &mut GatewaySettings| {
        settings.upstreams = vec![url.parse().expect("a URL")];
        settings.upstream_ca = ca;
    })
}

#[tokio::test]
async fn requests_bodies_and_streams_pass_by_tls() {
    let mut upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let secured = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let gateway = before(&secured, "localhost", Some(authority.root()));
    let mut client = Client::connect(gateway.address()).await;
    for size in [0, 1, 70_000, 1_000_000] {
        let body = noise(size);
        assert!(client.post("/echo", &body).await.body == body, "{size}");
    }
    assert_eq!(client.get("/seen").await.status, 200);
    let head = upstream.seen();
    assert!(head.contains("x-forwarded-proto: https\n"), "{head}");

    client.write("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    client.head().await;
    stream.send_data("one".into()).await.expect("it is wanted");
    assert_eq!(client.chunk().await.as_deref(), Some(&b"one"[..]));
    drop(stream);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn the_upstream_chooses_http_2_but_for_a_request_that_wants_to_switch() {
    let upstream = Scripted::start().await;
    let authority = Authority::new("test");
    let secured = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let gateway = before(&secured, "localhost", Some(authority.root()));
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /plain HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    let request = connection.request(b"\r\n\r\n").await;
    assert!(request.contains("via: 1.1 sluicegate\r\nvia: 2.0 sluicegate\r\n"), "{request}");
    connection.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);

    client.write("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    let request = connection.request(b"\r\n\r\n").await;
    assert!(request.contains("via: 1.1 sluicegate\r\nvia: 1.1 sluicegate\r\n"), "{request}");
    connection
        .write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello")
        .await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.bytes(5).await, b"hello");
}

#[tokio::test]
async fn who_cannot_show_that_it_is_the_upstream_gets_no_request() {
    let upstream = Upstream::start().await;
    let (authority, stranger) = (Authority::new("test"), Authority::new("stranger"));
    let secured = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    for (host, ca) in [("localhost", stranger.root()), ("127.0.0.1", authority.root())] {
        let gateway = before(&secured, host, Some(ca));
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.get("/seen").await.status, 502, "{host}");
    }
    let in_clear = Upstream::start().await;
    let gateway = gateway_with(in_clear.address, |settings| {
        settings.upstreams = vec![format!("https://{}", in_clear.address).parse().expect("a URL")];
        settings.upstream_ca = Some(authority.root());
    });
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 502);
    assert_eq!((upstream.requests(), in_clear.requests()), (0, 0));
}

#[tokio::test]
async fn health_is_asked_by_tls_too() {
    let upstream = Upstream::start().await;
    upstream.become_ready();
    let authority = Authority::new("test");
    let secured = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let text = "[warmup]\nscale = 0.1\nready = \"/health\"\nramp = \"0s\"\n[[route]]\npath = \"/seen\"\nlimits = [\"10/day\"]";
    let url = format!("https://localhost:{}", secured.address().port());
    let gateway = gateway_of(text, upstream.address, |settings| {
        settings.upstreams = vec![url.parse().expect("a URL")];
        settings.upstream_ca = Some(authority.root());
    });
    let mut client = Client::connect(gateway.address()).await;
    let whole = "\"seen_10_per_day\";q=10;w=86400";
    soon(async { while client.get("/seen").await.header("ratelimit-policy") != Some(whole) {} }).await;
}

#[tokio::test]
async fn roots_that_cannot_be_used_are_told_at_the_start() {
    let authority = Authority::new("test");
    let empty = authority.file("empty.pem");
    fs::write(&empty, "").expect("the folder is ours");
    for (file, problem) in
        [(empty, "it holds no certificate in PEM"), (authority.file("none.pem"), "there is no such file")]
    {
        let mut policy =
            Policy::parse(&Source::new("test.toml", b"").expect("it is small")).expect("it is valid");
        policy.gateway.upstreams = vec!["https://localhost".parse().expect("a URL")];
        policy.gateway.upstream_ca = Some(file.clone());
        let Err(error @ StartError::Tls(_)) = Gateway::start(policy).await else { panic!("it started") };
        assert_eq!(error.to_string(), format!("cannot use {} for TLS: {problem}", file.display()));
    }
}
