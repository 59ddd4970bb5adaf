//! Connections on both sides: reused, dead, slow and abandoned ones.

use std::{num::NonZeroUsize, time::Duration};

use crate::support::{Client, Nobody, Scripted, Upstream, gateway, gateway_with, noise, until};
use bytes::Bytes;

#[tokio::test]
async fn requests_one_after_another_share_one_upstream_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for _ in 0..3 {
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..20 {
            assert_eq!(client.get("/seen").await.status, 200);
            assert_eq!(client.post("/echo/chunked", b"abc").await.text(), "abc");
            assert_eq!(client.get("/nothing").await.status, 204);
        }
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn every_worker_serves() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.threads = NonZeroUsize::new(4));
    // The kernel chooses the worker by a hash of the addresses: of so many connections each has some.
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.get("/seen").await.status, 200);
        clients.push(client);
    }
    assert_eq!(upstream.connections(), 4, "each worker has a pool of its own");
}

#[tokio::test]
async fn an_idle_upstream_connection_is_closed_in_time() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.keep_alive = Duration::from_millis(50));
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    until(|| upstream.open() == 0).await;
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_upstream_has_closed_is_never_used() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for round in 0..200 {
        client.write("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
        let mut connection = upstream.accept().await;
        connection.request(b"hi").await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(client.answer().await.status, 200, "round {round}");
        // Closed without a word right before the next request, as servers do whose keep-alive time is over.
        drop(connection);
    }
}

#[tokio::test]
async fn an_upstream_that_answers_and_reads_no_further_is_let_go() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 8000000\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 413);
    // The client has not sent its body and has not left: nothing but the answer ends the exchange.
    connection.closed().await;
}

#[tokio::test]
async fn a_request_that_the_upstream_may_have_seen_is_not_sent_again() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    let mut connection = upstream.accept().await;
    connection.request(b"hi").await;
    drop(connection);
    assert_eq!(client.answer().await.status, 502);
    assert!(tokio::time::timeout(Duration::from_millis(50), upstream.accept()).await.is_err());
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_502() {
    let nobody = Nobody::new();
    let gateway = gateway(nobody.address);
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 502);
    assert_eq!(client.get("/seen").await.status, 502, "the connection still serves");
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_is_502() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    for nonsense in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", ""] {
        let mut client = Client::connect(gateway.address()).await;
        client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection.write(nonsense).await;
        drop(connection);
        assert_eq!(client.answer().await.status, 502, "{nonsense:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504_and_cancelled() {
    let upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.response_timeout = Duration::from_millis(50));
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/hang").await.status, 504);
    assert_eq!(client.post("/hang", b"body").await.status, 504);
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
    assert_eq!(client.get("/seen").await.status, 200, "the connection still serves");
}

#[tokio::test]
async fn a_client_that_stops_sending_its_body_is_408() {
    let upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.idle_timeout = Duration::from_millis(50));
    for path in ["/echo", "/read/echo"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")).await;
        assert_eq!(client.answer().await.status, 408, "{path}");
    }
    until(|| upstream.running() == 0).await;
}

#[tokio::test]
async fn a_stream_that_stops_is_cut_off() {
    let mut upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.idle_timeout = Duration::from_millis(50));
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    stream.send_data(Bytes::from_static(b"one")).await.expect("the gateway reads");
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.chunk().await.as_deref(), Some(&b"one"[..]));
    client.closed_cleanly().await;
    until(|| upstream.open() == 0).await;
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_closed() {
    let upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.header_timeout = Duration::from_millis(50));
    for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(begun).await;
        client.closed_cleanly().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /hang HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    until(|| upstream.running() == 1).await;
    drop(client);
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_cancels_the_upstream() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    stream.send_data(Bytes::from_static(b"one")).await.expect("the gateway reads");
    assert_eq!(client.head().await.status, 200);
    drop(client);
    until(|| upstream.open() == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_mid_upload_cancels_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await;
    until(|| upstream.running() == 1).await;
    drop(client);
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
}

#[tokio::test]
async fn an_answer_cut_short_by_the_upstream_is_cut_short_for_the_client() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.chunk().await.as_deref(), Some(&b"one"[..]));
    drop(connection);
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "no end was sent: {rest:?}");
}

#[tokio::test]
async fn a_denied_client_keeps_its_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/once").await.status, 200);
    for length in [0, 1, 1_000, 60_000] {
        // The head arrives alone: the answer must not wait for the body.
        client.write(format!("POST /once HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (429, None), "{length}");
        client.write(noise(length)).await;
    }
    client.write("POST /once HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 429);
    client.write("3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!(upstream.requests(), 2);
}
