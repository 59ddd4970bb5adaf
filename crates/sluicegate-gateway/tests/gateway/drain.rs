//! Ending: what runs is finished, what is idle is closed, nothing new begins.

use std::time::Duration;

use bytes::Bytes;
use sluicegate_gateway::Drained;
use tokio::net::TcpStream;

use crate::support::{Client, Upstream, gateway, gateway_with, soon, until};

#[tokio::test]
async fn a_drain_finishes_running_streams_and_closes_idle_connections() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
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
    // The drain has begun when an idle connection would have been closed; the rest of the body comes after it.
    client.write("cd").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "abcd"));
    assert_eq!(soon(drained).await.expect("no panic"), Drained { cut: 0 });
    let _ = &mut upstream;
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
