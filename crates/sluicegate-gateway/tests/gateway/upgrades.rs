//! Connections that switch to another protocol, as those of WebSockets do.

use std::time::Duration;

use crate::support::{
    Client, Scripted, client::Answer, gateway, gateway_with, in_flight_is_zero, scripted::Connection, soon,
};

const ASK: &str = "GET /slot/socket HTTP/1.1\r\nhost: test\r\nconnection: keep-alive, Upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-key: abc\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";

/// A client and an upstream that have agreed on another protocol.
async fn switched(upstream: &Scripted, client: &mut Client) -> (Answer, Connection) {
    client.write(ASK).await;
    let mut connection = upstream.accept().await;
    let request = connection.request(b"\r\n\r\n").await;
    assert!(request.contains("\r\nupgrade: websocket\r\n"), "{request}");
    assert!(request.contains("\r\nconnection: upgrade\r\n"), "{request}");
    assert!(request.contains("\r\nsec-websocket-key: abc\r\n"), "{request}");
    connection.write(AGREE).await;
    (client.head().await, connection)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_the_slot_is_held_to_the_end() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let (answer, mut connection) = switched(&upstream, &mut client).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("x"));
    assert_eq!(answer.header("ratelimit"), Some("\"slot\";r=0"));
    assert_eq!(answer.header("content-length"), None);

    client.write("GET /once HTTP/1.1\r\n\r\n").await;
    connection.request(b"GET /once HTTP/1.1\r\n\r\n").await;
    connection.write("\x01\x02").await;
    assert_eq!(client.bytes(2).await, b"\x01\x02");
    let large = "x".repeat(1_000_000);
    let (_, read) = tokio::join!(connection.write(&large), client.bytes(large.len()));
    assert_eq!(read, large.as_bytes());

    let mut other = Client::connect(gateway.address()).await;
    assert_eq!(other.get("/slot/socket").await.status, 429, "the slot is held");
    connection.half_close().await;
    assert!(client.closed_cleanly().await);
    in_flight_is_zero(&gateway).await;
    other.write(ASK).await;
    upstream.accept().await.request(b"\r\n\r\n").await;
}

#[tokio::test]
async fn what_is_said_with_the_agreement_is_not_lost() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write([ASK, "early"].concat()).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write(&[AGREE, "hello"].concat()).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.bytes(5).await, b"hello");
    connection.request(b"early").await;
}

#[tokio::test]
async fn a_client_that_has_said_all_is_still_told_the_rest() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let (_, mut connection) = switched(&upstream, &mut client).await;
    client.half_close().await;
    connection.closed().await;
    connection.write("goodbye").await;
    assert_eq!(client.bytes(7).await, b"goodbye");
    drop(connection);
    assert!(client.closed_cleanly().await);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_client_that_breaks_off_ends_it_for_the_upstream_and_gives_back_the_slot() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let (_, mut connection) = switched(&upstream, &mut client).await;
    drop(client);
    connection.closed().await;
    drop(connection);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn where_nothing_moves_for_the_idle_timeout_it_ends() {
    let upstream = Scripted::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.idle_timeout = Duration::from_millis(100));
    let mut client = Client::connect(gateway.address()).await;
    let (_, mut connection) = switched(&upstream, &mut client).await;
    soon(async { tokio::join!(connection.closed(), client.closed_cleanly()) }).await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_answers_as_ever() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    client.write(ASK).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &answer.body[..]), (426, &b"no"[..]));
    client.write("GET /slot/a HTTP/1.1\r\nhost: test\r\n\r\n").await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 204, "both connections go on");
}

#[tokio::test]
async fn a_request_that_may_not_pass_switches_nothing() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut first = Client::connect(gateway.address()).await;
    let (_, _connection) = switched(&upstream, &mut first).await;
    let mut second = Client::connect(gateway.address()).await;
    second.write(ASK).await;
    assert_eq!(second.answer().await.status, 429);
}

/// Requests in another HTTP version, inside the tunnel, would not be checked by the gateway.
#[tokio::test]
async fn no_client_gets_past_the_limits_by_another_http_or_with_a_body() {
    for fields in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n",
        "connection: upgrade\r\nupgrade: HTTP/2.0\r\n",
        "connection: upgrade\r\nupgrade: TLS/1.0, HTTP/1.1\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n",
        "upgrade: websocket\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 1\r\n",
    ] {
        let upstream = Scripted::start().await;
        let gateway = gateway(upstream.address);
        let mut client = Client::connect(gateway.address()).await;
        let body = if fields.contains("length") { "x" } else { "" };
        client.write(format!("GET /slot/a HTTP/1.1\r\nhost: test\r\n{fields}\r\n{body}")).await;
        let mut connection = upstream.accept().await;
        let request = connection.request([b"\r\n\r\n", body.as_bytes()].concat().as_slice()).await;
        assert!(!request.contains("upgrade"), "{request}");
        connection.write(AGREE).await;
        assert_eq!(client.head().await.status, 502, "{fields}");
    }
}
