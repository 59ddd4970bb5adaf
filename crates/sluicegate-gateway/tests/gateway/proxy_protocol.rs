//! Proxies that name the client in a header before everything else.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    time::Duration,
};

use sluicegate_gateway::Gateway;
use sluicegate_policy::GatewaySettings;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Client, Upstream, gateway, gateway_of, gateway_with, http2::Client2, metric, tls::Authority,
};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 127.0.0.1 56446 18951\r\n";
const GET: &[u8] = b"GET /seen HTTP/1.1\r\nhost: a\r\n\r\n";

/// A header of version 2: LOCAL without a client, and PROXY with one.
fn version_2(client: Option<Ipv4Addr>) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    match client {
        None => header.extend([0x20, 0, 0, 0]),
        Some(client) => {
            header.extend([0x21, 0x11, 0, 15]);
            header.extend(client.octets());
            header.extend([127, 0, 0, 1, 1, 2, 3, 4]);
            // Something of no interest.
            header.extend([0x04, 0, 0]);
        }
    }
    header
}

/// A gateway that believes 127.0.0.1.
fn behind_a_proxy(upstream: &Upstream, change: impl FnOnce(&mut GatewaySettings)) -> Gateway {
    gateway_with(upstream.address, |settings| {
        settings.proxy_protocol = true;
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        change(settings);
    })
}

/// A stream to the gateway that begins with a header.
async fn stream(gateway: &Gateway, header: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
    stream.write_all(header).await.expect("it is open");
    stream
}

#[tokio::test]
async fn the_address_in_the_header_is_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |_| {});
    for (header, client) in [
        (LINE.to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), "2001:db8::1"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (version_2(Some(Ipv4Addr::new(192, 0, 2, 9))), "192.0.2.9"),
        (version_2(None), "127.0.0.1"),
    ] {
        // Together with the request, and alone.
        for together in [true, false] {
            let mut client_of_proxy = Client::connect(gateway.address()).await;
            if together {
                client_of_proxy.write([&header, GET].concat()).await;
            } else {
                client_of_proxy.write(&header).await;
                client_of_proxy.write(GET).await;
            }
            assert_eq!(client_of_proxy.answer().await.status, 200);
            let line = format!("x-forwarded-for: {client}\n");
            assert!(upstream.seen().contains(&line), "no {line} in {}", upstream.seen());
            // It holds for the connection, not for one request.
            assert_eq!(client_of_proxy.get("/seen").await.status, 200);
            assert!(upstream.seen().contains(&line), "no {line} in {}", upstream.seen());
        }
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |_| {});
    for header in [LINE.to_vec(), version_2(Some(Ipv4Addr::new(192, 0, 2, 1)))] {
        let mut client = Client::connect(gateway.address()).await;
        for byte in [&header, GET].concat() {
            client.write([byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.answer().await.status, 200);
        assert!(upstream.seen().contains("x-forwarded-for: 192.0.2.1\n"), "{}", upstream.seen());
    }
}

#[tokio::test]
async fn http_2_and_tls_come_after_the_header() {
    let upstream = Upstream::start().await;
    let in_clear = behind_a_proxy(&upstream, |_| {});
    let authority = Authority::new("test");
    let by_tls = behind_a_proxy(&upstream, |settings| settings.tls = Some(authority.settings()));
    for header in [LINE.to_vec(), version_2(Some(Ipv4Addr::new(192, 0, 2, 1)))] {
        let client = Client2::over(stream(&in_clear, &header).await).await;
        assert_eq!(client.get("/seen").await.status, 200);
        assert!(upstream.seen().contains("x-forwarded-for: 192.0.2.1\n"), "{}", upstream.seen());

        let secured = authority.handshake(stream(&by_tls, &header).await, &["h2"], None).await;
        let client = Client2::over(secured.expect("it is trusted")).await;
        assert_eq!(client.get("/seen").await.status, 200);
        assert!(upstream.seen().contains("x-forwarded-for: 192.0.2.1\n"), "{}", upstream.seen());
        assert!(upstream.seen().contains("x-forwarded-proto: https\n"), "{}", upstream.seen());
    }
    assert!(authority.try_connect(by_tls.address(), &[], None).await.is_err(), "TLS without a header");
}

#[tokio::test]
async fn a_connection_without_a_header_is_closed_and_counted() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |_| {});
    for sent in
        [GET, b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\nGET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut client = Client::connect(gateway.address()).await;
        client.write(sent).await;
        assert!(client.rest().await.is_empty());
    }
    let refused = "sluicegate_refused_connections_total{reason=\"proxy_protocol\"}";
    assert_eq!(metric(&gateway, refused).await, 3);
    // Who looks whether the port is open is no news.
    drop(Client::connect(gateway.address()).await);
    assert_eq!(metric(&gateway, refused).await, 3);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_header_has_to_come_in_time() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |settings| settings.header_timeout = Duration::from_millis(50));
    for begun in [&b""[..], b"PROXY TCP4 192.0.2.1", b"\r\n\r\n\0"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(begun).await;
        client.closed_cleanly().await;
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |_| {});
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), gateway.address()).await;
    other.write([LINE, GET].concat()).await;
    assert!(other.rest().await.is_empty());
    let refused = "sluicegate_refused_connections_total{reason=\"untrusted_proxy\"}";
    assert_eq!(metric(&gateway, refused).await, 1);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn where_no_header_is_expected_it_is_bad_http() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for header in [LINE.to_vec(), version_2(None)] {
        let mut client = Client::connect(gateway.address()).await;
        client.write([&header, GET].concat()).await;
        assert_eq!(client.answer().await.status, 400);
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_forwarding_header_is_believed_where_the_address_is_a_trusted_proxys() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |settings| {
        settings.trusted_proxies.push("10.0.0.0/8".parse().expect("a network"));
    });
    for (from, told) in [("10.1.2.3", "198.51.100.1, 10.1.2.3"), ("192.0.2.1", "192.0.2.1")] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("PROXY TCP4 {from} 127.0.0.1 1 2\r\n")).await;
        client.write("GET /seen HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 198.51.100.1\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
        let line = format!("x-forwarded-for: {told}\n");
        assert!(upstream.seen().contains(&line), "no {line} in {}", upstream.seen());
    }
}

#[tokio::test]
async fn limits_count_by_the_address_in_the_header() {
    let upstream = Upstream::start().await;
    let policy = "[[route]]\npath = '/seen'\nlimits = ['1/day']";
    let gateway = gateway_of(policy, upstream.address, |settings| {
        settings.proxy_protocol = true;
        settings.trusted_proxies = vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()];
        settings.max_connections_per_ip = NonZeroUsize::new(1);
    });
    let mut first = Client::over(stream(&gateway, LINE).await);
    assert_eq!(first.get("/seen").await.status, 200);
    let mut again = Client::over(stream(&gateway, LINE).await);
    assert_eq!(again.try_get("/seen").await, None, "one connection from each");
    let mut other = Client::over(stream(&gateway, b"PROXY TCP4 192.0.2.2 127.0.0.1 1 2\r\n").await);
    assert_eq!(other.get("/seen").await.status, 200);
    assert_eq!(other.get("/seen").await.status, 429);
    let refused = "sluicegate_refused_connections_total{reason=\"max_connections_per_ip\"}";
    assert_eq!(metric(&gateway, refused).await, 1);

    drop(first);
    crate::support::soon(async { while metric(&gateway, "sluicegate_connections").await != 1 {} }).await;
    let mut again = Client::over(stream(&gateway, LINE).await);
    assert_eq!(again.get("/seen").await.status, 429, "its place is free, and its quota spent");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_header() {
    let upstream = Upstream::start().await;
    let gateway = behind_a_proxy(&upstream, |_| {});
    let mut begun = Client::connect(gateway.address()).await;
    begun.write(&LINE[..10]).await;
    crate::support::soon(async { while metric(&gateway, "sluicegate_connections").await != 1 {} }).await;
    assert_eq!(crate::support::soon(gateway.drain()).await.cut, 0);
    assert!(begun.rest().await.is_empty());
}
