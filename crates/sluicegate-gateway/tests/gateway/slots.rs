//! Slots of requests whose clients leave.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::Request;
use sluicegate_gateway::{Drained, Gateway};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Client, Stubborn, Upstream, gateway_of, http2, http2::Client2, in_flight_is_zero, metric, soon, until,
};

const POLICY: &str = r#"
    [[route]]
    path = "/held/{*rest}"
    limits = [{ name = "slot", quota = "1 concurrent", key = "global" }]
    slots_until = "upstream-ends"

    [[route]]
    path = "/short/{*rest}"
    limits = [{ name = "short", quota = "1 concurrent", key = "global" }]
    slots_until = "upstream-ends"
    response_timeout = "50ms"

    [[route]]
    path = "/free/{*rest}"
    limits = [{ name = "free", quota = "1 concurrent", key = "global" }]
"#;

/// A gateway before an upstream that speaks one HTTP or the other.
fn gateway(address: std::net::SocketAddr, by_http_2: bool) -> Gateway {
    gateway_of(POLICY, address, |settings| {
        let scheme = if by_http_2 { "h2c" } else { "http" };
        settings.upstreams = vec![format!("{scheme}://{address}").parse().expect("a URL")];
    })
}

/// A client that sends a request, and leaves when the upstream has it or the gateway has refused it.
async fn give_up(gateway: &Gateway, upstream: &Stubborn, path: &str, by_http_2: bool) {
    let begun = upstream.begun();
    let has_begun = async {
        while upstream.begun() == begun {
            tokio::task::yield_now().await;
        }
    };
    if by_http_2 {
        let client = Client2::connect(gateway.address()).await;
        let asked = client.ask(http2::post(path, http2::full(b"question")));
        soon(async {
            tokio::select! { _ = asked => {}, () = has_begun => {} }
        })
        .await;
    } else {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nquestion")).await;
        soon(async {
            tokio::select! { () = client.some() => {}, () = has_begun => {} }
        })
        .await;
    }
}

async fn abandoned(gateway: &Gateway, route: &str) -> u64 {
    metric(gateway, &format!("sluicegate_abandoned_requests{{route=\"{route}\"}}")).await
}

async fn until_abandoned(gateway: &Gateway, route: &str, expected: u64) {
    soon(async { while abandoned(gateway, route).await != expected {} }).await;
}

#[tokio::test]
async fn abandoned_requests_never_run_beyond_the_slots() {
    for (by_client, by_upstream) in [(false, false), (true, false), (false, true), (true, true)] {
        let upstream = Stubborn::start(by_upstream).await;
        let gateway = gateway(upstream.address, by_upstream);
        for _ in 0..4 {
            give_up(&gateway, &upstream, "/held/a", by_client).await;
        }
        until_abandoned(&gateway, "/held/{*rest}", 1).await;
        assert_eq!((upstream.begun(), upstream.most()), (1, 1));
        assert_eq!(metric(&gateway, "sluicegate_in_flight_requests{route=\"/held/{*rest}\"}").await, 1);
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.get("/held/a").await.status, 429, "the slot is held");

        upstream.release(2);
        until_abandoned(&gateway, "/held/{*rest}", 0).await;
        in_flight_is_zero(&gateway).await;
        let answer = client.get("/held/a").await;
        assert_eq!((answer.status, answer.text()), (200, "done"));
        assert_eq!(upstream.most(), 1);
    }
}

#[tokio::test]
async fn without_it_they_run_beside_each_other_at_a_server_that_works_on() {
    let upstream = Stubborn::start(false).await;
    let gateway = gateway(upstream.address, false);
    for request in 1..=4 {
        give_up(&gateway, &upstream, "/free/a", false).await;
        in_flight_is_zero(&gateway).await;
        assert_eq!((upstream.begun(), upstream.most()), (request, request));
    }
    assert_eq!(abandoned(&gateway, "/free/{*rest}").await, 0);
}

#[tokio::test]
async fn a_stream_is_read_to_its_end_and_its_connection_kept() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address, false);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /held/stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // The path leads there: the upstream knows nothing of routes.
    let mut stream = upstream.stream().await;
    stream.send_data(Bytes::from_static(b"data: 1\n\n")).await.expect("the gateway reads");
    assert_eq!(client.head().await.header("ratelimit"), Some("\"slot\";r=0"));
    assert_eq!(client.chunk().await.as_deref(), Some(&b"data: 1\n\n"[..]));
    drop(client);
    until_abandoned(&gateway, "/held/{*rest}", 1).await;
    // Far more than any buffer holds.
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..200 {
        soon(stream.send_data(piece.clone())).await.expect("the gateway reads on");
    }
    let mut other = Client::connect(gateway.address()).await;
    assert_eq!(other.get("/held/seen").await.status, 429, "the slot is held");
    drop(stream);
    in_flight_is_zero(&gateway).await;
    assert_eq!(other.get("/held/seen").await.status, 200);
    // It rests after the stream.
    assert_eq!((upstream.connections(), upstream.open()), (2, 2));
}

#[tokio::test]
async fn an_upload_that_was_not_complete_is_cancelled() {
    for by_http_2 in [false, true] {
        let upstream = if by_http_2 { Upstream::start_http2(10).await } else { Upstream::start().await };
        let gateway = gateway(upstream.address, by_http_2);
        for framing in ["content-length: 8\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let mut client = Client::connect(gateway.address()).await;
            client.write(format!("POST /held/echo HTTP/1.1\r\nhost: a\r\n{framing}")).await;
            until(|| upstream.running() == 1).await;
            drop(client);
            until(|| upstream.running() == 0).await;
            in_flight_is_zero(&gateway).await;
        }
        assert_eq!(Client::connect(gateway.address()).await.get("/held/seen").await.status, 200);
    }
}

/// The gateway cannot forward more and stops reading the body, so no error of the body ends the request.
#[tokio::test]
async fn a_broken_upload_is_cancelled_though_the_upstream_reads_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let gateway = gateway(listener.local_addr().expect("it is bound"), true);
    let stream = TcpStream::connect(gateway.address()).await.expect("the gateway listens");
    let (mut client, connection) = soon(h2::client::handshake(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = Request::post("http://test/held/upload").body(()).expect("valid");
    let (_answer, mut upload) = client.send_request(request, false).expect("it is open");
    upload.send_data(Bytes::from(vec![b'x'; WINDOW]), false).expect("it is open");

    let (stream, _) = soon(listener.accept()).await.expect("the gateway connects");
    let mut upstream = soon(h2::server::handshake(stream)).await.expect("it speaks HTTP/2");
    let (request, mut respond) = soon(upstream.accept()).await.expect("it is open").expect("a request comes");
    tokio::spawn(async move { while upstream.accept().await.is_some() {} });
    let (mut body, mut arrived) = (request.into_body(), 0);
    // The upstream never opens its window again.
    while arrived < WINDOW {
        arrived += soon(body.data()).await.expect("there is more").expect("it comes").len();
    }

    upload.send_reset(Reason::CANCEL);
    let reason = soon(poll_fn(|cx| respond.poll_reset(cx))).await.expect("it is open");
    assert_eq!(reason, Reason::CANCEL);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn what_nobody_waits_for_is_held_no_longer_than_the_routes_time() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address, false);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /short/hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until(|| upstream.running() == 1).await;
    drop(client);
    in_flight_is_zero(&gateway).await;
    until(|| upstream.open() == 0).await;

    let mut client = Client::connect(gateway.address()).await;
    client.write("GET /short/stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    assert_eq!(client.head().await.status, 200);
    drop(client);
    // An answer without an end.
    soon(async { while stream.send_data(Bytes::from_static(b"more")).await.is_ok() {} }).await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn who_stays_is_answered_as_ever() {
    let mut upstream = Upstream::start().await;
    let gateway = gateway(upstream.address, false);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..3 {
        let answer = client.post("/held/echo", b"hello").await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(client.get("/held/nothing").await.status, 204);
        assert_eq!(client.get("/held/health").await.status, 503);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(client.get("/short/hang").await.status, 504);
    assert_eq!(client.get("/held/break").await.status, 502);
    let name = "sluicegate_upstream_failures_total{route=\"/held/{*rest}\"}";
    assert_eq!(metric(&gateway, name).await, 1);
    // An answer that breaks off breaks off.
    client.write("GET /held/stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stream = upstream.stream().await;
    assert_eq!(client.head().await.status, 200);
    upstream.stop().await;
    assert!(!client.rest().await.ends_with(b"0\r\n\r\n"), "no end was sent");
    drop(stream);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn the_answers_are_those_of_any_route() {
    let upstream = Upstream::start().await;
    let policy = [POLICY, "[cors]\norigins = [\"https://app.example\"]"].concat();
    let gateway = gateway_of(&policy, upstream.address, |settings| {
        settings.response_timeout = Duration::from_millis(50);
    });
    let mut client = Client::connect(gateway.address()).await;
    for (path, status) in [("/break", 502), ("/hang", 504), ("/health", 503), ("/seen", 200)] {
        let mut answers = Vec::new();
        for route in ["/held", "/free"] {
            let fields = "host: a\r\norigin: https://app.example\r\nx-request-id: 1";
            client.write(format!("GET {route}{path} HTTP/1.1\r\n{fields}\r\n\r\n")).await;
            let answer = client.answer().await;
            assert_eq!(answer.status, status, "{route}{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
            let lines =
                answer.head.lines().filter(|line| !line.starts_with("date") && !line.contains("length"));
            answers.push(lines.collect::<Vec<_>>().join("\n").replace("\"slot\"", "\"free\""));
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
}

#[tokio::test]
async fn a_drain_waits_for_them_and_cuts_them_when_its_time_is_over() {
    for (millis, cut) in [(30_000, 0), (50, 1)] {
        let upstream = Stubborn::start(false).await;
        let gateway = gateway_of(POLICY, upstream.address, |settings| {
            settings.drain_timeout = Duration::from_millis(millis);
            settings.drain_idle_timeout = Duration::ZERO;
        });
        give_up(&gateway, &upstream, "/held/a", false).await;
        until_abandoned(&gateway, "/held/{*rest}", 1).await;
        let address = gateway.address();
        let drained = tokio::spawn(gateway.drain());
        if cut == 0 {
            soon(async { while tokio::net::TcpStream::connect(address).await.is_ok() {} }).await;
            assert!(!drained.is_finished());
            upstream.release(1);
        }
        assert_eq!(soon(drained).await.expect("no panic"), Drained { cut });
    }
}

/// The bytes that an HTTP/2 server takes on a stream before it reads them.
const WINDOW: usize = 65_535;
