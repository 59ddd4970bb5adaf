//! Timeouts of a route's requests.

use std::time::Duration;

use bytes::Bytes;
use sluicegate_gateway::Gateway;
use tokio::time::Instant;

use crate::support::{Client, Silent, Upstream, gateway_of, in_flight_is_zero, soon, until};

const POLICY: &str = r#"
    [[route]]
    path = "/hang"
    response_timeout = "40ms"

    [[route]]
    path = "/read/hang"
    meter = "bytes"
    timeout = "60ms"

    [[route]]
    path = "/stream"
    timeout = "200ms"

    [[route]]
    path = "/read/stream"
    idle_timeout = "50ms"

    [[route]]
    path = "/read/echo"
    meter = "bytes"
    idle_timeout = "30ms"
"#;

fn gateway(upstream: std::net::SocketAddr) -> Gateway {
    gateway_of(POLICY, upstream, |_| {})
}

/// Sends a request, and returns the status and the time that it took.
async fn timed(client: &mut Client, path: &str) -> (u16, Duration) {
    let sent = Instant::now();
    let status = client.post(path, b"body").await.status;
    (status, sent.elapsed())
}

#[tokio::test]
async fn a_routes_own_time_for_an_answer_is_kept_on_connections_that_other_routes_share() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for (path, millis) in [("/hang", 40), ("/read/hang", 60), ("/hang", 40)] {
        assert_eq!(client.get("/seen").await.status, 200);
        let (status, waited) = timed(&mut client, path).await;
        assert_eq!(status, 504, "{path}");
        assert!(waited >= Duration::from_millis(millis) && waited < SOON, "{path}: {waited:?}");
    }
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_stream_is_cut_when_the_time_of_its_route_is_over_although_it_moves() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let sent = Instant::now();
    let mut stream = upstream.stream().await;
    let events = async { while stream.send_data(Bytes::from_static(b"event")).await.is_ok() {} };
    let read = async {
        assert_eq!(client.head().await.status, 200);
        client.rest().await
    };
    let ((), rest) = soon(async { tokio::join!(events, read) }).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "no end was sent");
    assert!(sent.elapsed() >= Duration::from_millis(200));
    until(|| upstream.open() == 0).await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_routes_own_idle_time_holds_for_both_bodies() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /read/stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    stream.send_data(Bytes::from_static(b"one")).await.expect("the gateway reads");
    assert_eq!(client.head().await.status, 200);
    client.rest().await;
    until(|| upstream.open() == 0).await;

    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /read/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert_eq!(client.answer().await.status, 408);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn connecting_is_part_of_the_time_of_a_route() {
    let silent = Silent::start().await;
    let gateway = gateway(silent.address);
    let mut client = Client::connect(gateway.address()).await;
    let (status, waited) = timed(&mut client, "/read/hang").await;
    assert_eq!(status, 504);
    assert!(waited < SOON, "{waited:?}");
    in_flight_is_zero(&gateway).await;
}

/// Far from the gateway's own timeouts, and far enough from the routes' for a busy machine.
const SOON: Duration = Duration::from_secs(2);
