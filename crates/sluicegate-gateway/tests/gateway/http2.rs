//! Clients of HTTP/2 on the port of HTTP/1.1, before an upstream that speaks HTTP/1.1.

use std::{net::Shutdown, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request,
    header::{COOKIE, HOST, TE, TRAILER},
};
use http_body_util::BodyExt;
use sluicegate_gateway::Drained;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Client, Upstream, gateway, gateway_of, gateway_with,
    http2::{
        Client2, END_HEADERS, END_STREAM, Frames, GET, HEADERS, PREFACE, RST_STREAM, empty, frame, full, get,
        pieces, post,
    },
    noise, soon, until,
};

#[tokio::test]
async fn both_versions_are_served_on_one_port() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let request = Request::get("http://models.example:8080/seen?q=1").body(empty()).expect("valid");
    assert_eq!(client.ask(request).await.status, 200);
    let head = upstream.seen();
    assert!(head.starts_with("GET /seen?q=1\n"), "{head}");
    for line in ["host: models.example:8080\n", "via: 2.0 sluicegate\n", "x-forwarded-proto: http\n"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");

    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 200);
    assert!(upstream.seen().contains("via: 1.1 sluicegate\n"), "{}", upstream.seen());
}

#[tokio::test]
async fn a_preface_may_come_in_pieces() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
    stream.set_nodelay(true).expect("it is open");
    for byte in &PREFACE[..10] {
        stream.write_all(&[*byte]).await.expect("it is open");
        tokio::task::yield_now().await;
    }
    // The client writes the whole preface: what it repeats is taken away.
    let (near, far) = tokio::io::duplex(1 << 20);
    let relay = async move {
        let (mut far_read, mut far_write) = tokio::io::split(far);
        let (mut read, mut write) = stream.split();
        let mut repeated = [0; 10];
        tokio::io::AsyncReadExt::read_exact(&mut far_read, &mut repeated).await.expect("a preface");
        let _ = tokio::join!(
            tokio::io::copy(&mut far_read, &mut write),
            tokio::io::copy(&mut read, &mut far_write)
        );
    };
    let relay = tokio::spawn(relay);
    assert_eq!(Client2::over(near).await.get("/seen").await.status, 200);
    relay.abort();
}

#[tokio::test]
async fn a_preface_that_is_not_finished_is_closed() {
    let upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.header_timeout = Duration::from_millis(50));
    let mut client = Client::connect(gateway.address()).await;
    client.write(&PREFACE[..10]).await;
    client.closed_cleanly().await;
}

#[tokio::test]
async fn bodies_pass_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    for path in ["/echo", "/echo/chunked", "/read/echo"] {
        for size in [0, 1, 1_017, 65_535, 65_536, 300_000, 1_000_000] {
            let body = noise(size);
            let answer = client.post(path, &body).await;
            assert_eq!(answer.status, 200, "{path} {size}");
            assert!(answer.body == body, "{path} {size}");
            let answer = client.ask(post(path, pieces(&body, HeaderMap::new()))).await;
            assert!(answer.body == body, "{path} {size} without a length");
        }
    }
}

#[tokio::test]
async fn cookies_in_several_fields_become_one() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let mut request = get("/seen");
    for cookie in ["a=1", "b=2; c=3", "d=4"] {
        request.headers_mut().append(COOKIE, HeaderValue::from_static(cookie));
    }
    assert_eq!(client.ask(request).await.status, 200);
    let head = upstream.seen();
    assert!(head.contains("cookie: a=1; b=2; c=3; d=4\n"), "{head}");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("42"))]);
    for _ in 0..3 {
        let mut request = post("/echo/trailers", pieces(b"hello", sum.clone()));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request.headers_mut().insert(TRAILER, HeaderValue::from_static("x-sum"));
        let answer = client.ask(request).await;
        assert_eq!(answer.body, "hello");
        assert_eq!(answer.trailers.as_ref(), Some(&sum));
        assert!(upstream.seen().contains("te: trailers\n"), "{}", upstream.seen());
    }
    assert_eq!(upstream.connections(), 1, "an answer that ends with trailers has ended");
}

#[tokio::test]
async fn a_host_beside_the_authority_must_say_the_same() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    for (host, status) in [("test", 200), ("TEST", 200), ("other", 400)] {
        let mut request = get("/seen");
        request.headers_mut().insert(HOST, HeaderValue::from_static(host));
        assert_eq!(client.ask(request).await.status, status, "{host}");
    }
    let tunnel = Request::connect("models:443").body(empty()).expect("valid");
    assert_eq!(client.ask(tunnel).await.status, 400);
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn many_requests_run_at_once_on_one_connection_and_no_more_than_a_hundred() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    // The limit is known once the settings have come.
    assert_eq!(client.get("/seen").await.status, 200);
    let requests: Vec<_> = (0..120).map(|_| tokio::spawn(client.sending(get("/hang")))).collect();
    until(|| upstream.running() == 100).await;
    assert_eq!(upstream.requests(), 101);
    for request in requests {
        request.abort();
    }
    until(|| upstream.running() == 0).await;
}

#[tokio::test]
async fn a_denied_request_leaves_the_others_alone() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    assert_eq!(client.get("/once").await.status, 200);
    for length in [0, 1_000, 60_000, 2_000_000] {
        let answer = client.post("/once", &noise(length)).await;
        assert_eq!(answer.status, 429, "{length}");
        assert!(answer.headers.contains_key("retry-after") && !answer.headers.contains_key("connection"));
        assert!(!answer.body.is_empty());
    }
    assert_eq!(client.get("/seen").await.status, 200, "on the same connection");
}

#[tokio::test]
async fn a_denial_of_head_has_no_body() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    assert_eq!(client.get("/once").await.status, 200);
    let length = client.get("/once").await.body.len();
    let mut request = get("/once");
    *request.method_mut() = http::Method::HEAD;
    let answer = client.ask(request).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (429, &b""[..]));
    assert_eq!(answer.headers["content-length"], length.to_string());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_and_the_connection_serves_on() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.max_body = 1_000);
    let client = Client2::connect(gateway.address()).await;
    // More than the windows hold: nobody waits for the rest.
    let body = noise(3_000_000);
    assert_eq!(client.post("/held/echo", &body).await.status, 413);
    assert_eq!(client.ask(post("/read/echo", pieces(&body, HeaderMap::new()))).await.status, 413);
    assert!(client.post("/echo", &body).await.body == body);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_request_that_the_client_resets_is_cancelled() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let request = tokio::spawn(client.sending(post("/slot/hang", full(b"hi"))));
    until(|| upstream.running() == 1).await;
    request.abort();
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
    assert_eq!(client.get("/slot/seen").await.status, 200, "its slot is free");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_all_its_requests() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let stream = std::net::TcpStream::connect(gateway.address()).expect("it listens");
    stream.set_nonblocking(true).expect("it is open");
    let ours = stream.try_clone().expect("it is open");
    let client = Client2::over(TcpStream::from_std(ours).expect("it is open")).await;
    let requests: Vec<_> = (0..10).map(|_| tokio::spawn(client.sending(get("/hang")))).collect();
    until(|| upstream.running() == 10).await;
    stream.shutdown(Shutdown::Both).expect("it is open");
    until(|| upstream.running() == 0 && upstream.open() == 0).await;
    for request in requests {
        assert!(request.await.expect("no panic").is_err());
    }
}

#[tokio::test]
async fn a_stream_that_the_client_stops_reading_is_cut_and_its_slot_is_free() {
    let mut upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.idle_timeout = Duration::from_millis(100));
    let client = Client2::connect(gateway.address()).await;
    let unread = client.send(get("/slot/stream")).await.expect("it is answered");
    let mut stream = upstream.stream().await;
    let piece = Bytes::from(noise(100_000));
    // As much as everybody on the way takes, and then no more.
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_millis(50), stream.send_data(piece.clone())).await
    {}
    soon(async { while client.get("/slot/seen").await.status != 200 {} }).await;
    until(|| upstream.open() <= 1).await;
    assert!(soon(unread.into_body().collect()).await.is_err(), "the answer is not whole");
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_is_not_cut() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.idle_timeout = Duration::from_millis(50);
        settings.response_timeout = Duration::from_millis(300);
    });
    let client = Client2::connect(gateway.address()).await;
    for answered_before in [200, 429, 429] {
        assert_eq!(client.get("/once").await.status, answered_before);
        assert_eq!(client.get("/hang").await.status, 504);
    }
}

#[tokio::test]
async fn a_stream_may_be_silent_for_as_long_as_its_route_says() {
    let mut upstream = Upstream::start().await;
    let policy = "[[route]]\npath = '/stream'\nidle_timeout = '1m'";
    let gateway = gateway_of(policy, upstream.address, |settings| {
        settings.idle_timeout = Duration::from_millis(50);
    });
    let client = Client2::connect(gateway.address()).await;
    let mut body = client.send(get("/stream")).await.expect("it is answered").into_body();
    let mut stream = upstream.stream().await;
    for _ in 0..2 {
        stream.send_data(Bytes::from_static(b"event")).await.expect("the gateway reads");
        let frame = soon(body.frame()).await.expect("it goes on").expect("it is not cut");
        assert_eq!(frame.into_data().expect("data"), "event");
        // Longer than a client may keep the gateway waiting.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_stream_that_moves_may_last() {
    let mut upstream = Upstream::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.idle_timeout = Duration::from_millis(200));
    let client = Client2::connect(gateway.address()).await;
    let answer = client.send(get("/stream")).await.expect("it is answered");
    let mut stream = upstream.stream().await;
    let mut body = answer.into_body();
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_millis(600) {
        stream.send_data(Bytes::from_static(b"event")).await.expect("the gateway reads");
        let frame = soon(body.frame()).await.expect("it goes on").expect("it is not cut");
        assert_eq!(frame.into_data().expect("data"), "event");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(stream);
    assert!(soon(body.collect()).await.expect("it ends in peace").to_bytes().is_empty());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let mut request = get("/seen");
    request.headers_mut().insert("x-padding", HeaderValue::try_from("a".repeat(40_000)).expect("valid"));
    assert_eq!(client.ask(request).await.status, 431);
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let frames = Frames::connect(gateway.address()).await;
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    assert_eq!(frames.go_away_while(&flood).await, Some(ENHANCE_YOUR_CALM));
    let requests = upstream.requests();
    assert!(requests < 5_000, "{requests} of 10,000 reached the upstream");
    until(|| upstream.running() == 0).await;
}

#[tokio::test]
async fn a_drain_says_so_and_finishes_what_runs() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let address = gateway.address();
    let idle = Client2::connect(address).await;
    assert_eq!(idle.get("/seen").await.status, 200);
    let running = Client2::connect(address).await;
    let answer = running.send(get("/stream")).await.expect("it is answered");
    let mut stream = upstream.stream().await;

    let drained = tokio::spawn(gateway.drain());
    idle.closed().await;
    until_refused(&running).await;
    stream.send_data(Bytes::from_static(b"last")).await.expect("the gateway reads");
    assert!(!drained.is_finished());
    drop(stream);
    assert_eq!(soon(answer.into_body().collect()).await.expect("it is whole").to_bytes(), "last");
    running.closed().await;
    assert_eq!(soon(drained).await.expect("no panic"), Drained { cut: 0 });
}

/// Waits until the connection takes no more requests.
async fn until_refused(client: &Client2) {
    soon(async { while client.send(get("/seen")).await.is_ok() {} }).await;
}

/// The error code by which HTTP/2 ends a connection that asks for too much (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 0xb;
