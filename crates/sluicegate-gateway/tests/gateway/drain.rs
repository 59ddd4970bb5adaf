//! Ending: what runs is finished, what is idle is closed, nothing new begins.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use sluicegate_gateway::{Drained, Gateway, StartError};
use sluicegate_policy::{Policy, Source};
use tokio::net::TcpStream;

use crate::support::{Client, Port, Upstream, gateway, gateway_with, http2::Client2, soon, until};

#[tokio::test]
async fn a_drain_finishes_running_streams_and_closes_idle_connections() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.drain_idle_timeout = Duration::ZERO);
    let address = gateway.address();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/seen").await.status, 200);
    let mut running = Client::connect(address).await;
    running.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    assert_eq!(running.head().await.status, 200);

    let drained = tokio::spawn(gateway.drain());
    assert!(idle.closed_cleanly().await);
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    stream.send_data(Bytes::from_static(b"last")).await.expect("the gateway reads");
    assert_eq!(running.chunk().await.as_deref(), Some(&b"last"[..]));
    assert!(!drained.is_finished());
    drop(stream);
    assert_eq!(running.chunk().await, None);
    assert!(running.closed_cleanly().await);
    assert_eq!(soon(drained).await.expect("no panic"), Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_runs_into_the_drain_is_answered_and_told_to_close() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab").await;
    until(|| upstream.running() == 1).await;
    let drained = tokio::spawn(gateway.drain());
    // The rest of the body comes after it.
    client.write("cd").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "abcd"));
    assert_eq!(soon(drained).await.expect("no panic"), Drained { cut: 0 });
    let _ = &mut upstream;
}

#[tokio::test]
async fn who_is_connected_when_a_drain_begins_has_time_for_one_more_request() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let address = gateway.address();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/seen").await.status, 200);
    let mut new = Client::connect(address).await;
    let of_http_2 = TcpStream::connect(address).await.expect("the gateway listens");
    let mut silent = Client::connect(address).await;

    let drained = tokio::spawn(gateway.drain());
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    for client in [&mut idle, &mut new] {
        let answer = client.get("/seen").await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(client.closed_cleanly().await);
    }
    assert_eq!(Client2::over(of_http_2).await.get("/seen").await.status, 200);
    assert!(silent.closed_cleanly().await);
    assert_eq!(soon(drained).await.expect("no panic"), Drained { cut: 0 });
}

#[tokio::test]
async fn one_gateway_takes_over_from_another_on_the_same_port() {
    let upstream = Upstream::start().await;
    let policy = |address: SocketAddr, reuse_port: bool| {
        let text = format!(
            "[gateway]\nlisten = \"{address}\"\nadmin = \"127.0.0.1:0\"\nthreads = 1\n\
             upstream = \"http://{}\"\nreuse_port = {reuse_port}",
            upstream.address
        );
        Policy::parse(&Source::new("test.toml", text.as_bytes()).expect("it is small")).expect("it is valid")
    };
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let old = Gateway::start(policy(any, true)).await.expect("loopback has free ports");
    let address = old.address();
    let refused = Gateway::start(policy(address, false)).await;
    assert!(matches!(refused, Err(StartError::Listen(..))), "nobody said that the port is shared");
    let new = Gateway::start(policy(address, true)).await.expect("the port is shared");
    old.drain().await;
    for _ in 0..10 {
        assert_eq!(Client::connect(address).await.get("/seen").await.status, 200);
    }
    drop(new);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_client_whose_upload_found_no_upstream() {
    let nobody = Port::keep();
    let gateway = gateway_with(nobody.address, |settings| settings.drain_idle_timeout = Duration::ZERO);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..2 {
        assert_eq!(client.post("/predict", b"{}").await.status, 502);
    }
    assert_eq!(soon(gateway.drain()).await, Drained { cut: 0 });
    assert!(client.closed_cleanly().await);
}

#[tokio::test]
async fn a_drain_cuts_what_has_not_finished_in_time() {
    let upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.drain_timeout = Duration::from_millis(50));
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| upstream.running() == 1).await;
    assert_eq!(soon(gateway.drain()).await, Drained { cut: 1 });
    client.closed_cleanly().await;
    until(|| upstream.running() == 0).await;
}

#[tokio::test]
async fn a_gateway_that_is_dropped_stops_at_once() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| upstream.running() == 1).await;
    drop(gateway);
    until(|| upstream.running() == 0).await;
    client.closed_cleanly().await;
}

#[tokio::test]
async fn a_drain_that_nobody_waits_for_any_more_stops_at_once() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let address = gateway.address();
    let mut client = Client::connect(address).await;
    client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| upstream.running() == 1).await;
    let drain = tokio::spawn(gateway.drain());
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    drain.abort();
    until(|| upstream.running() == 0).await;
    client.closed_cleanly().await;
}
