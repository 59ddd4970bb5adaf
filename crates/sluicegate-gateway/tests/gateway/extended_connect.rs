//! WebSockets in streams of HTTP/2 (RFC 8441).

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client, ext::Protocol};
use http::{Method, Request, Response};
use sluicegate_gateway::Drained;
use tokio::net::TcpStream;

use crate::support::{
    Client, Scripted, Upstream, gateway, gateway_with, in_flight_is_zero, scripted::Connection, soon,
};

/// A client whose streams may become WebSockets.
async fn connect(address: std::net::SocketAddr) -> client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("the gateway listens");
    let (sender, connection) = soon(client::handshake(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    soon(async {
        while !sender.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sender
}

/// Asks for a protocol in a stream.
async fn ask(
    sender: &client::SendRequest<Bytes>,
    path: &str,
    protocol: &'static str,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://models.example{path}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static(protocol))
        .body(())
        .expect("valid");
    let mut sender = soon(sender.clone().ready()).await.expect("it is open");
    let (response, stream) = sender.send_request(request, false).expect("it is open");
    (soon(response).await.expect("it is answered"), stream)
}

/// The upstream agrees.
async fn agree(upstream: &Scripted) -> Connection {
    let mut connection = upstream.accept().await;
    let request = connection.request(b"\r\n\r\n").await;
    assert!(request.starts_with("get /slot/socket http/1.1\r\n"), "{request}");
    for line in
        ["upgrade: websocket", "connection: upgrade", "host: models.example", "sec-websocket-version: 13"]
    {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
    let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).expect("a key");
    assert!(key.len() == 24 && key.ends_with("=="), "{key}");
    connection
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-accept: x\r\nsec-websocket-protocol: chat\r\n\r\nhello",
        )
        .await;
    connection
}

#[tokio::test]
async fn a_stream_becomes_a_websocket_whose_slot_is_held_to_the_end() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let sender = connect(gateway.address()).await;
    let ((answer, mut to), mut connection) =
        tokio::join!(ask(&sender, "/slot/socket", "websocket"), agree(&upstream));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(answer.headers()["ratelimit"], "\"slot\";r=0");
    for gone in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!answer.headers().contains_key(gone), "{gone}");
    }
    let mut from = answer.into_body();
    assert_eq!(soon(from.data()).await.expect("data").expect("it comes"), "hello");
    to.send_data(Bytes::from_static(b"question"), false).expect("it is open");
    connection.request(b"question").await;
    connection.write("answer").await;
    assert_eq!(soon(from.data()).await.expect("data").expect("it comes"), "answer");

    let (denied, _) = ask(&sender, "/slot/socket", "websocket").await;
    assert_eq!(denied.status(), 429, "the slot is held");
    to.send_data(Bytes::new(), true).expect("it is open");
    connection.closed().await;
    connection.write("bye").await;
    assert_eq!(soon(from.data()).await.expect("data").expect("it comes"), "bye");
    drop(connection);
    while let Some(data) = soon(from.data()).await {
        assert_eq!(data.expect("it ends in peace"), "");
    }
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_the_client_resets_ends_the_websocket() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let sender = connect(gateway.address()).await;
    let ((_answer, mut to), mut connection) =
        tokio::join!(ask(&sender, "/slot/socket", "websocket"), agree(&upstream));
    to.send_reset(h2::Reason::CANCEL);
    connection.closed().await;
    drop(connection);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_drain_waits_for_it_and_cuts_it_when_the_time_is_over() {
    let upstream = Scripted::start().await;
    let gateway =
        gateway_with(upstream.address, |settings| settings.drain_timeout = Duration::from_millis(50));
    let sender = connect(gateway.address()).await;
    let ((_answer, _to), mut connection) =
        tokio::join!(ask(&sender, "/slot/socket", "websocket"), agree(&upstream));
    assert_eq!(soon(gateway.drain()).await, Drained { cut: 1 });
    connection.closed().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_makes_no_websocket() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let sender = connect(gateway.address()).await;
    assert_eq!(ask(&sender, "/seen", "websocket").await.0.status(), 502, "it is no success");
    assert_eq!(ask(&sender, "/health", "websocket").await.0.status(), 503);
    let upstream = Upstream::start_http2(100).await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.upstreams = vec![upstream.url().parse().expect("a URL")];
    });
    let sender = connect(gateway.address()).await;
    assert_eq!(ask(&sender, "/seen", "websocket").await.0.status(), 502);
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 200);
}

#[tokio::test]
async fn other_tunnels_are_refused() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let sender = connect(gateway.address()).await;
    for protocol in ["connect-udp", "h2c", "WebSocket"] {
        assert_eq!(ask(&sender, "/seen", protocol).await.0.status(), 400, "{protocol}");
    }
    assert_eq!(upstream.requests(), 0);
}
