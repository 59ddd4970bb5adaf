//! Connections to an upstream whose stream of events has ended.

use crate::support::{Client, Scripted, gateway, scripted::Connection, soon};

#[tokio::test]
async fn a_server_that_closes_after_a_stream_loses_no_request() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let first = streamed(&upstream, &mut client).await;
    client.write(REQUEST).await;
    let mut second = upstream.accept().await;
    second.request(b"\r\n\r\n").await;
    drop(first);
    second.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_its_server_keeps_after_a_stream_is_used_again() {
    let upstream = Scripted::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    let mut first = streamed(&upstream, &mut client).await;
    let asking = async {
        loop {
            client.write(REQUEST).await;
            client.answer().await;
        }
    };
    let others = async {
        loop {
            let mut other = upstream.accept().await;
            other.request(b"\r\n\r\n").await;
            other.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        }
    };
    soon(async {
        tokio::select! {
            _ = first.request(b"\r\n\r\n") => {}
            () = asking => {}
            () = others => {}
        }
    })
    .await;
}

/// Asks once, and returns the connection to the upstream over which the stream has come.
async fn streamed(upstream: &Scripted, client: &mut Client) -> Connection {
    client.write(REQUEST).await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write(format!("{head}8\r\ndata: 1\n\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 200);
    connection
}

const REQUEST: &str = "POST /free/chat HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
