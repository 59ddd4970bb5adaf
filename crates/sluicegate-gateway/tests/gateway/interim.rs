//! Interim responses (1xx) of an upstream.

use std::future::pending;

use http::{Response, StatusCode};
use tokio::net::TcpListener;

use crate::support::{
    Client, Scripted, gateway, gateway_with,
    http2::{Client2, get},
    in_flight_is_zero, soon,
};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn they_reach_the_client_before_the_response_is_there() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    // One connection carries several requests, and each of them its own.
    for number in 0..3 {
        if number > 0 {
            client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        }
        connection.request(b"\r\n\r\n").await;
        connection.write("HTTP/1.1 102 Processing\r\n\r\n").await;
        let processing = client.head().await;
        assert_eq!((processing.status, processing.head.as_str()), (102, "http/1.1 102 processing\r\n\r\n"));
        for _ in 0..2 {
            // However it arrives.
            let (first, rest) = HINTS.split_at(30);
            connection.write(first).await;
            connection.write(rest).await;
            let hints = client.head().await;
            assert_eq!(
                (hints.status, hints.header("link")),
                (103, Some("</a.css>; rel=preload")),
                "{}",
                hints.head
            );
        }
        connection.write(OK).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
    }
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn they_come_before_a_response_that_arrives_with_them() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    // The second request is there before the first response has been written.
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    for _ in 0..2 {
        connection.request(b"\r\n\r\n").await;
        connection.write(&[HINTS, HINTS, OK].concat()).await;
    }
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(client.head().await.status, 103);
        }
        assert_eq!(client.answer().await.text(), "hello");
    }
}

#[tokio::test]
async fn they_come_before_a_refusal_of_ours() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write(HINTS).await;
    connection.half_close().await;
    assert_eq!(client.head().await.status, 103);
    assert_eq!(client.answer().await.status, 502);
}

#[tokio::test]
async fn what_concerns_the_connection_or_frames_a_body_is_left_out() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    let fields = "connection: x-mine\r\nx-mine: 1\r\nkeep-alive: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n";
    connection.write(&format!("HTTP/1.1 103 Early Hints\r\n{fields}link: a\r\n\r\n{OK}")).await;
    assert_eq!(client.head().await.head, "http/1.1 103 early hints\r\nlink: a\r\n\r\n");
    assert_eq!(client.answer().await.text(), "hello");
}

#[tokio::test]
async fn the_gateways_own_100_continue_is_the_only_one() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    assert_eq!(client.head().await.status, 100);
    client.write("hi").await;
    connection.request(b"hi").await;
    connection.write("HTTP/1.1 100 Continue\r\n\r\n").await;
    connection.write(&[HINTS, OK].concat()).await;
    assert_eq!(client.head().await.status, 103);
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn clients_that_cannot_take_them_get_the_response_alone() {
    for is_wanted in [true, false] {
        let upstream = Scripted::start().await;
        let gateway = gateway_with(upstream.address, |settings| settings.interim_responses = is_wanted);
        let version = if is_wanted { "1.0" } else { "1.1" };
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("GET / HTTP/{version}\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        upstream.answer_once(&[HINTS, OK].concat()).await;
        let told = String::from_utf8(client.rest().await).expect("ASCII");
        assert!(
            told.contains(" 200 OK\r\n") && told.ends_with("\r\n\r\nhello") && !told.contains("103"),
            "{told}"
        );
        let client = Client2::connect(gateway.address()).await;
        let answer = [HINTS, OK].concat();
        let (answer, ()) = tokio::join!(client.get("/"), upstream.answer_once(&answer));
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"hello"[..]));
    }
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
        let mut line = h2::server::handshake(stream).await.expect("it speaks HTTP/2");
        while let Some(Ok((_, mut respond))) = line.accept().await {
            for status in [102, 103] {
                let interim = Response::builder().status(status).header("link", "a").body(()).expect("valid");
                respond.send_informational(interim).expect("it is open");
            }
            respond.send_response(Response::new(()), true).expect("it is open");
        }
        pending::<()>().await;
    };
    let ask = async {
        let mut client = Client::connect(gateway.address()).await;
        client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        for status in [102, 103] {
            let interim = client.head().await;
            assert_eq!((interim.status, interim.header("link")), (status, Some("a")));
        }
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(Client2::connect(gateway.address()).await.ask(get("/")).await.status, 200);
    };
    tokio::select! {
        () = soon(ask) => {}
        () = serve => unreachable!("it waits for ever"),
    }
}

#[tokio::test]
async fn a_client_that_reads_none_of_them_gets_few_of_many() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    // More than the buffers of two connections hold.
    let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "a".repeat(16_000));
    for _ in 0..MANY {
        connection.write(&hints).await;
    }
    connection.write(OK).await;
    let mut passed = 0;
    let answer = loop {
        let head = client.head().await;
        match head.status {
            103 => passed += 1,
            status => break status,
        }
    };
    assert_eq!(answer, 200);
    assert!((1..MANY / 2).contains(&passed), "{passed} of {MANY}");
}

const MANY: usize = 2_000;
