//! Interim responses (1xx) to clients of HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, ext::Protocol};
use http::{Method, Request, Response};
use tokio::net::TcpListener;

use crate::support::{
    Scripted, Upstream, gateway, gateway_of, gateway_with,
    h2_client::Line,
    http2::{DATA, END_HEADERS, END_STREAM, Frames, GET, HEADERS, frame},
    in_flight_is_zero, metric, soon, until,
};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn they_reach_the_client_before_the_response_is_there() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let mut request = line.get("/").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 102 Processing\r\n\r\n").await;
    request.is_hinted(102).await;
    for _ in 0..2 {
        connection.write(HINTS).await;
        let hints = request.interim().await.expect("it comes before the final response");
        assert_eq!(
            (hints.status().as_u16(), &hints.headers()["link"]),
            (103, &"</a.css>; rel=preload".parse().expect("a value"))
        );
        assert_eq!(hints.headers().len(), 1);
    }
    connection.write(OK).await;
    request.expect_answer(200, "hello").await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn each_goes_to_the_stream_that_it_is_for() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let (mut first, mut second) = (line.get("/1").await, line.get("/2").await);
    let mut connections = [upstream.accept().await, upstream.accept().await];
    if !connections[0].request(b"\r\n\r\n").await.starts_with("get /1 ") {
        connections.swap(0, 1);
        connections[0].request(b"\r\n\r\n").await;
    } else {
        connections[1].request(b"\r\n\r\n").await;
    }
    let [one, two] = &mut connections;
    two.write("HTTP/1.1 102 Processing\r\n\r\n").await;
    one.write(HINTS).await;
    first.is_hinted(103).await;
    second.is_hinted(102).await;
    two.write(OK).await;
    second.expect_answer(200, "hello").await;
    one.write(OK).await;
    first.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn they_come_before_a_response_that_arrives_with_them() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let mut request = line.get("/").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    let failed = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 3\r\n\r\nsad";
    connection.write(&[HINTS, HINTS, failed].concat()).await;
    for _ in 0..2 {
        request.is_hinted(103).await;
    }
    request.expect_answer(500, "sad").await;
}

#[tokio::test]
async fn they_come_before_refusals_of_ours() {
    for is_late in [false, true] {
        let upstream = Scripted::start().await;
        let gateway = gateway_with(upstream.address, |settings| {
            settings.response_timeout = Duration::from_millis(100);
        });
        let line = Line::connect(gateway.address()).await;
        let mut request = line.get("/").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection.write(HINTS).await;
        request.is_hinted(103).await;
        if !is_late {
            connection.half_close().await;
        }
        assert_eq!(request.response().await.status(), if is_late { 504 } else { 502 });
    }
}

#[tokio::test]
async fn they_come_while_the_request_is_on_its_way() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let request = Request::post("http://a/").header("content-length", "4").body(()).expect("valid");
    let mut request = line.send(request, false).await;
    request.upload.send_data(Bytes::from_static(b"so"), false).expect("it is open");
    let mut connection = upstream.accept().await;
    connection.request(b"so").await;
    connection.write(HINTS).await;
    request.is_hinted(103).await;
    request.upload.send_data(Bytes::from_static(b"up"), true).expect("it is open");
    connection.request(b"up").await;
    connection.write(OK).await;
    request.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn those_of_many_fields_are_whole_without_what_concerns_the_connection() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let mut request = line.get("/").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    // More than one frame of HTTP/2 holds.
    let links: String = (0..200).map(|number| format!("link: <{number}>; {}\r\n", "a".repeat(100))).collect();
    let fields = "connection: x-mine\r\nx-mine: 1\r\nkeep-alive: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\
                  upgrade: x\r\nte: trailers\r\nproxy-connection: close\r\n";
    connection.write(&format!("HTTP/1.1 103 Early Hints\r\n{fields}{links}\r\n{OK}")).await;
    let hints = request.interim().await.expect("it comes before the final response");
    assert_eq!(hints.headers().len(), 200);
    assert!(
        hints
            .headers()
            .get_all("link")
            .iter()
            .enumerate()
            .all(|(number, link)| { link.to_str().expect("ASCII").starts_with(&format!("<{number}>; ")) })
    );
    request.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn they_can_be_switched_off() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.interim_responses = false);
    let line = Line::connect(gateway.address()).await;
    let mut request = line.expect("/").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    request.is_hinted(100).await;
    request.upload.send_data(Bytes::from_static(b"hi"), true).expect("it is open");
    connection.request(b"hi\r\n0\r\n\r\n").await;
    connection.write(&[HINTS, OK].concat()).await;
    request.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn those_of_an_upstream_of_http_2_reach_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    let gateway = gateway_with(address, |settings| {
        settings.upstreams = vec![format!("h2c://{address}").parse().expect("a URL")];
    });
    let serve = async {
        let (stream, _) = listener.accept().await.expect("the gateway connects");
        let mut upstream = h2::server::handshake(stream).await.expect("it speaks HTTP/2");
        while let Some(Ok((_, mut respond))) = upstream.accept().await {
            for status in [100, 102, 103] {
                let interim = Response::builder().status(status).header("link", "a").body(()).expect("valid");
                respond.send_informational(interim).expect("it is open");
            }
            respond.send_response(Response::new(()), true).expect("it is open");
        }
    };
    let ask = async {
        let line = Line::connect(gateway.address()).await;
        for _ in 0..3 {
            let mut request = line.get("/").await;
            for status in [102, 103] {
                request.is_hinted(status).await;
            }
            request.expect_answer(200, "").await;
        }
    };
    tokio::select! {
        () = soon(ask) => {}
        () = serve => unreachable!("the gateway keeps its connection"),
    }
}

#[tokio::test]
async fn a_request_that_is_kept_to_its_end_has_them_too_and_needs_no_client() {
    let upstream = Scripted::start().await;
    let policy = "[[route]]\npath = '/slot'\nlimits = ['1 concurrent']\nslots_until = 'upstream-ends'";
    let gateway = gateway_of(policy, upstream.address, |_| {});
    let line = Line::connect(gateway.address()).await;
    let mut request = line.get("/slot").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write(HINTS).await;
    request.is_hinted(103).await;
    request.upload.send_reset(Reason::CANCEL);
    let abandoned = "sluicegate_abandoned_requests{route=\"/slot\"}";
    soon(async { while metric(&gateway, abandoned).await != 1 {} }).await;
    connection.write(&[HINTS, HINTS, OK].concat()).await;
    soon(async { while metric(&gateway, abandoned).await != 0 {} }).await;
    let mut request = line.get("/slot").await;
    connection.request(b"\r\n\r\n").await;
    connection.write(&[HINTS, OK].concat()).await;
    request.is_hinted(103).await;
    request.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn a_websocket_may_be_hinted_before_it_is_one() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    until(|| line.0.is_extended_connect_protocol_enabled()).await;
    let request = Request::builder().method(Method::CONNECT).uri("http://a/");
    let request = request.extension(Protocol::from_static("websocket")).body(()).expect("valid");
    let mut request = line.send(request, false).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write(HINTS).await;
    request.is_hinted(103).await;
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello";
    connection.write(agreed).await;
    drop(connection);
    request.expect_answer(200, "hello").await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_invited_once_and_only_if_its_body_is_wanted() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    // To send it on, and to read it for the decision.
    for (path, end) in [("/", &b"}\r\n0\r\n\r\n"[..]), ("/held/x", b"}")] {
        let mut request = line.expect(path).await;
        request.is_hinted(100).await;
        request.upload.send_data(Bytes::from_static(b"{\"inputs\":[1]}"), true).expect("it is open");
        let mut connection = upstream.accept().await;
        let head = connection.request(end).await;
        assert!(!head.contains("expect:"), "{head}");
        connection.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        connection.write(&[HINTS, OK].concat()).await;
        request.is_hinted(103).await;
        request.expect_answer(200, "hello").await;
        connection.half_close().await;
        connection.closed().await;
    }
    let (answer, ()) =
        tokio::join!(async { line.get("/once").await.response().await }, upstream.answer_once(OK));
    assert_eq!(answer.status(), 200);
    assert_eq!(line.expect("/once").await.response().await.status(), 429);
}

#[tokio::test]
async fn a_body_that_has_come_needs_no_invitation() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = Frames::connect(gateway.address()).await;
    let expect = [&[0x83][..], &GET[1..], &[0x0F, 0x14, 12], b"100-continue"].concat();
    let request = [frame(HEADERS, END_HEADERS, 1, &expect), frame(DATA, END_STREAM, 1, b"hi")].concat();
    frames.write(&request).await;
    let head = soon(async {
        loop {
            let frame = frames.read().await.expect("it goes on");
            if frame.kind == HEADERS {
                break frame;
            }
        }
    })
    .await;
    // The first field has its place in the static table: ":status: 200".
    assert_eq!(head.payload[0], 0x88, "{head:?}");
}

#[tokio::test]
async fn a_client_that_reads_none_of_them_gets_few_of_many() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = Frames::connect(gateway.address()).await;
    frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    // More than the buffers of two connections hold.
    let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "a".repeat(16_000));
    for _ in 0..MANY {
        connection.write(&hints).await;
    }
    connection.write(OK).await;
    let mut passed = 0;
    loop {
        let frame = frames.read().await.expect("it goes on");
        match frame.kind {
            HEADERS => passed += 1,
            DATA => break assert_eq!(frame.payload, b"hello"),
            _ => {}
        }
    }
    // One of them is the final response's.
    assert!((2..MANY / 2).contains(&passed), "{passed} of {MANY}");
}

#[tokio::test]
async fn one_for_a_stream_that_the_client_has_reset_disturbs_no_other() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    for _ in 0..20 {
        let mut request = line.get("/").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        // They meet somewhere.
        request.upload.send_reset(Reason::CANCEL);
        connection.write_if_open(&HINTS.repeat(20)).await;
        connection.closed().await;
    }
    let mut request = line.get("/").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write(&[HINTS, OK].concat()).await;
    request.is_hinted(103).await;
    request.expect_answer(200, "hello").await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn an_upload_that_the_client_resets_without_an_error_is_not_taken_for_whole() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let line = Line::connect(gateway.address()).await;
    let mut request = line.send(Request::post("http://a/").body(()).expect("valid"), false).await;
    request.upload.send_data(Bytes::from_static(b"half"), false).expect("it is open");
    let mut connection = upstream.accept().await;
    connection.request(b"half\r\n").await;
    request.upload.send_reset(Reason::NO_ERROR);
    assert!(connection.is_reset().await, "the chunks have no end");
}

const MANY: usize = 2_000;
