//! Upstreams that speak HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, server};
use http::{HeaderMap, HeaderValue, Method, Response, header::TE};
use http_body_util::BodyExt;
use sluicegate_gateway::Gateway;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Client, Nobody, Upstream, gateway_of, gateway_with,
    http2::{Client2, full, get, pieces, post},
    in_flight_is_zero, metric, noise, soon, until,
};

/// A gateway before an upstream of HTTP/2.
fn before(upstream: &Upstream) -> Gateway {
    gateway_with(upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    })
}

#[tokio::test]
async fn requests_and_bodies_pass_to_it_from_clients_of_both_versions() {
    let upstream = Upstream::start_http2(100).await;
    let gateway = before(&upstream);
    let mut client = Client::connect(gateway.address()).await;
    let client2 = Client2::connect(gateway.address()).await;
    for path in ["/echo", "/echo/chunked", "/read/echo"] {
        for size in [0, 1, 65_535, 65_536, 300_000, 1_000_000] {
            let body = noise(size);
            assert!(client.post(path, &body).await.body == body, "{path} {size}");
            assert!(client2.post(path, &body).await.body == body, "{path} {size}");
            let answer = client2.ask(post(path, pieces(&body, HeaderMap::new()))).await;
            assert!(answer.body == body, "{path} {size} without a length");
        }
    }
    assert_eq!(client.get("/nothing").await.status, 204);
    assert_eq!(upstream.connections(), 1, "one connection carries them all");
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn heads_are_those_of_http_2() {
    let upstream = Upstream::start_http2(100).await;
    let gateway = before(&upstream);
    let mut client = Client::connect(gateway.address()).await;
    client
        .write(
            "GET /seen?q=1 HTTP/1.1\r\nhost: models.example:8080\r\nconnection: keep-alive, x-mine\r\n\
             x-mine: 1\r\nkeep-alive: timeout=5\r\nte: trailers, deflate\r\nupgrade: foo\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status, 200);
    let head = upstream.seen();
    assert!(head.starts_with("GET http://models.example:8080/seen?q=1\n"), "{head}");
    assert!(head.contains("te: trailers\n") && head.contains("via: 1.1 sluicegate\n"), "{head}");
    for gone in ["host:", "connection:", "keep-alive:", "x-mine:", "upgrade:", "transfer-encoding:"] {
        assert!(!head.contains(&format!("\n{gone}")), "{gone} in {head}");
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::start_http2(100).await;
    let gateway = before(&upstream);
    let client = Client2::connect(gateway.address()).await;
    let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("42"))]);
    for _ in 0..3 {
        let mut request = post("/echo/trailers", pieces(b"hello", sum.clone()));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let answer = client.ask(request).await;
        assert_eq!((&answer.body[..], answer.trailers.as_ref()), (&b"hello"[..], Some(&sum)));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn another_connection_is_opened_when_one_is_full_and_not_before() {
    let upstream = Upstream::start_http2(4).await;
    let gateway = before(&upstream);
    let client = Client2::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    let requests: Vec<_> = (0..10).map(|_| tokio::spawn(client.sending(get("/hang")))).collect();
    until(|| upstream.running() == 10).await;
    assert_eq!(upstream.connections(), 3, "four requests on each");
    for request in requests {
        request.abort();
    }
    until(|| upstream.running() == 0).await;
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!((upstream.connections(), upstream.open()), (3, 3), "cancelled requests leave them open");
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_alone() {
    let mut upstream = Upstream::start_http2(100).await;
    let policy = "[[route]]\npath = '/hang'\nresponse_timeout = '100ms'\n\
                  [[route]]\npath = '/slot/stream'\nidle_timeout = '100ms'";
    let gateway = gateway_of(policy, upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let client = Client2::connect(gateway.address()).await;
    let answer = client.send(get("/stream")).await.expect("it is answered");
    let mut stream = upstream.stream().await;
    assert_eq!(client.get("/hang").await.status, 504);
    until(|| upstream.running() == 0).await;

    let stalled = client.send(get("/slot/stream")).await.expect("it is answered");
    let _silent = upstream.stream().await;
    assert!(soon(stalled.into_body().collect()).await.is_err(), "it stood still for too long");

    stream.send_data(Bytes::from_static(b"on")).await.expect("the gateway reads");
    drop(stream);
    assert_eq!(soon(answer.into_body().collect()).await.expect("it is whole").to_bytes(), "on");
    assert_eq!((upstream.connections(), upstream.open()), (1, 1));
    assert_eq!(metric(&gateway, "sluicegate_upstream_failures_total{route=\"/hang\"}").await, 1);
}

#[tokio::test]
async fn a_stream_that_never_pauses_ends_when_its_time_is_over() {
    let mut upstream = Upstream::start_http2(100).await;
    let policy = "[[route]]\npath = '/stream'\ntimeout = '200ms'";
    let gateway = gateway_of(policy, upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let client = Client2::connect(gateway.address()).await;
    let answer = client.send(get("/stream")).await.expect("it is answered");
    let mut stream = upstream.stream().await;
    let piece = Bytes::from(noise(100_000));
    let endless = async { while stream.send_data(piece.clone()).await.is_ok() {} };
    let mut body = answer.into_body();
    let read = async {
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    let (read, ()) = soon(async { tokio::join!(read, endless) }).await;
    assert!(read.is_err(), "it is cut, and not taken for whole");
    assert_eq!(upstream.open(), 1);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_told_so() {
    let upstream = Upstream::start_http2(100).await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
        settings.idle_timeout = Duration::from_millis(100);
    });
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello").await;
    assert_eq!(client.answer().await.status, 408);
    until(|| upstream.running() == 0).await;
    assert_eq!(upstream.open(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_else() {
    let mut upstream = Upstream::start_http2(100).await;
    let gateway = before(&upstream);
    let client = Client2::connect(gateway.address()).await;
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(client.send(get("/stream")).await.expect("it is answered"));
        let mut stream = upstream.stream().await;
        // As much as everybody on the way takes, and then no more.
        let piece = Bytes::from(noise(100_000));
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_millis(30), stream.send_data(piece.clone())).await
        {}
        std::mem::forget(stream);
    }
    let body = noise(500_000);
    assert!(Client2::connect(gateway.address()).await.post("/echo", &body).await.body == body);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_server_that_speaks_http_1_is_not_taken_for_one() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.upstreams = vec![format!("h2c://{}", upstream.address).parse().expect("a URL")];
    });
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 502);
    let nobody = Nobody::new();
    let gateway = gateway_with(nobody.address, |settings| {
        let urls = [format!("h2c://{}", nobody.address), format!("http://{}", upstream.address)];
        settings.upstreams = urls.iter().map(|url| url.parse().expect("a URL")).collect();
    });
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..4 {
        assert_eq!(client.get("/seen").await.status, 200, "the other is asked");
    }
}

#[tokio::test]
async fn its_health_is_asked_by_http_2() {
    let upstream = Upstream::start_http2(100).await;
    upstream.become_ready();
    let text = "[warmup]\nscale = 0.1\nready = \"/health\"\nramp = \"0s\"\n[[route]]\npath = \"/seen\"\nlimits = [\"10/day\"]";
    let gateway = gateway_of(text, upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let mut client = Client::connect(gateway.address()).await;
    let whole = "\"seen_10_per_day\";q=10;w=86400";
    soon(async { while client.get("/seen").await.header("ratelimit-policy") != Some(whole) {} }).await;
}

/// An upstream whose frames the test decides on.
struct Played {
    listener: TcpListener,
}

type Line = server::Connection<TcpStream, Bytes>;

impl Played {
    async fn start() -> (Self, Gateway) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let gateway = gateway_with(address, |settings| {
            settings.upstreams = vec![format!("h2c://{address}").parse().expect("a URL")];
        });
        (Self { listener }, gateway)
    }

    async fn accept(&self) -> Line {
        let (stream, _) = soon(self.listener.accept()).await.expect("the gateway connects");
        soon(server::handshake(stream)).await.expect("it speaks HTTP/2")
    }
}

/// The next request on a connection.
async fn next(line: &mut Line) -> (http::Request<h2::RecvStream>, server::SendResponse<Bytes>) {
    soon(line.accept()).await.expect("it is open").expect("a request comes")
}

fn answer(respond: &mut server::SendResponse<Bytes>) {
    respond.send_response(Response::new(()), true).expect("somebody waits for it");
}

/// Drives a connection to its end.
async fn finish(mut line: Line) {
    while line.accept().await.is_some() {}
}

#[tokio::test]
async fn what_the_upstream_refused_is_sent_again_with_its_body_and_nothing_else_is() {
    for (reason, status) in [(Reason::REFUSED_STREAM, 200), (Reason::INTERNAL_ERROR, 502)] {
        let (played, gateway) = Played::start().await;
        let client = Client2::connect(gateway.address()).await;
        let request = tokio::spawn(client.sending(post("/echo", full(b"hello"))));
        let mut line = played.accept().await;
        let (_, mut respond) = next(&mut line).await;
        respond.send_reset(reason);
        if status == 200 {
            let (request, mut respond) = next(&mut line).await;
            tokio::spawn(finish(line));
            let body = soon(request.into_body().data()).await.expect("a body").expect("it comes");
            assert_eq!(body, "hello");
            answer(&mut respond);
        } else {
            tokio::spawn(finish(line));
        }
        assert_eq!(soon(request).await.expect("no panic").expect("it is answered").status(), status);
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_finishes_what_it_has_and_takes_no_more() {
    let (played, gateway) = Played::start().await;
    let client = Client2::connect(gateway.address()).await;
    let first = tokio::spawn(client.sending(get("/first")));
    let mut line = played.accept().await;
    let (_, mut first_respond) = next(&mut line).await;
    line.graceful_shutdown();
    let driven = tokio::spawn(finish(line));
    let request = async {
        // It may go over the old connection until the gateway knows, and is refused there.
        soon(client.sending(get("/second"))).await
    };
    let serve = async {
        let mut line = played.accept().await;
        answer(&mut next(&mut line).await.1);
        tokio::spawn(finish(line));
    };
    let (second, ()) = tokio::join!(request, serve);
    assert_eq!(second.expect("it is answered").status(), 200);
    assert!(!first.is_finished());
    answer(&mut first_respond);
    assert_eq!(soon(first).await.expect("no panic").expect("it is answered").status(), 200);
    soon(driven).await.expect("it is closed");
}

#[tokio::test]
async fn a_request_that_is_cancelled_resets_its_stream() {
    let (played, gateway) = Played::start().await;
    let client = Client2::connect(gateway.address()).await;
    let request = tokio::spawn(client.sending(post("/hang", full(b"hi"))));
    let mut line = played.accept().await;
    let (_, mut respond) = next(&mut line).await;
    tokio::spawn(finish(line));
    request.abort();
    let reason = soon(std::future::poll_fn(|cx| respond.poll_reset(cx))).await.expect("it is open");
    assert_eq!(reason, Reason::CANCEL);
}

#[tokio::test]
async fn an_answer_to_head_keeps_the_length_of_what_it_leaves_out() {
    let (played, gateway) = Played::start().await;
    let serve = async {
        let mut line = played.accept().await;
        while let Some(Ok((request, mut respond))) = line.accept().await {
            assert_eq!(request.method(), Method::HEAD);
            let head = Response::builder().header("content-length", "1000").body(()).expect("valid");
            respond.send_response(head, true).expect("somebody waits for it");
        }
    };
    let ask = async {
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..2 {
            client.write("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert_eq!(client.head().await.header("content-length"), Some("1000"));
        }
        let mut request = get("/");
        *request.method_mut() = Method::HEAD;
        let answer = Client2::connect(gateway.address()).await.ask(request).await;
        assert_eq!(answer.headers["content-length"], "1000");
    };
    tokio::select! {
        () = ask => {}
        () = serve => panic!("the gateway keeps the connection"),
    }
}
