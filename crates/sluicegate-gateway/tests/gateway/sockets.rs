//! Ends of exchanges' sockets, and detection of vanished hosts.

use std::time::Duration;

use crate::support::{
    Client, Scripted, Upstream, gateway_with, in_flight_is_zero, noise, sockets_kept_alive, until,
};

#[tokio::test]
async fn an_upstream_that_does_not_read_is_told_of_a_cancel_by_a_reset() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.response_timeout = 5 * MOMENT);
    for leaves in [true, false] {
        let mut client = Client::connect(gateway.address()).await;
        client.write("POST /slot/a HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        // As much as everybody on the way takes, and then no more: until the client leaves, or the gateway gives up.
        let piece = noise(1_000_000);
        while let Ok(true) = tokio::time::timeout(MOMENT, client.can_write(&piece)).await {}
        if leaves {
            drop(client);
        }
        in_flight_is_zero(&gateway).await;
        assert!(connection.is_reset().await, "what it has not read is gone");
    }
}

#[tokio::test]
async fn a_connection_that_has_done_its_work_is_closed_in_peace() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.keep_alive = MOMENT);
    let mut client = Client::connect(gateway.address()).await;
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut connection = upstream.accept().await;
    connection.request(b"\r\n\r\n").await;
    connection.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 204);
    assert!(!connection.is_reset().await);
}

#[tokio::test]
async fn the_kernel_asks_silent_peers_whether_they_are_there() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    // What waits for an acknowledgement is told so first.
    until(|| sockets_kept_alive(upstream.address.port()) == 1).await;
    until(|| sockets_kept_alive(gateway.address().port()) == 1).await;
}

/// Long enough for loopback, short enough to wait for.
const MOMENT: Duration = Duration::from_millis(20);
