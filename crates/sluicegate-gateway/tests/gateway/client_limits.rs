//! How many clients may be connected, and how long they may be silent.

use std::{net::Ipv4Addr, num::NonZeroUsize};

use crate::support::{Client, Upstream, gateway, gateway_with, metric, soon};

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_those_below_go_on() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.max_connections = NonZeroUsize::new(2));
    let (mut first, mut second) =
        (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
    assert_eq!((first.get("/seen").await.status, second.get("/seen").await.status), (200, 200));
    Client::connect(gateway.address()).await.closed_cleanly().await;
    let refused = "sluicegate_refused_connections_total{reason=\"max_connections\"}";
    assert_eq!(metric(&gateway, refused).await, 1);
    assert_eq!(first.get("/seen").await.status, 200);

    drop(second);
    soon(async { while metric(&gateway, "sluicegate_connections").await != 1 {} }).await;
    assert_eq!(Client::connect(gateway.address()).await.get("/seen").await.status, 200);
}

#[tokio::test]
async fn one_address_has_its_own_limit_and_trusted_proxies_have_none() {
    let upstream = Upstream::start().await;
    for (trusted, served) in [(false, false), (true, true)] {
        let gateway = gateway_with(upstream.address, |settings| {
            settings.max_connections_per_ip = NonZeroUsize::new(1);
            if trusted {
                settings.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
            }
        });
        let mut first = Client::connect(gateway.address()).await;
        assert_eq!(first.get("/seen").await.status, 200);
        let mut second = Client::connect(gateway.address()).await;
        assert_eq!(second.try_get("/seen").await, served.then_some(200));
        let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), gateway.address()).await;
        assert_eq!(other.get("/seen").await.status, 200);
        let refused = "sluicegate_refused_connections_total{reason=\"max_connections_per_ip\"}";
        assert_eq!(metric(&gateway, refused).await, u64::from(!served));
    }
}

#[tokio::test]
async fn a_thousand_connections_leave_nothing_behind() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for _ in 0..1_000 {
        Client::connect(gateway.address()).await.write("GET /seen HTTP/1.1\r\nhost: a\r\n").await;
    }
    soon(async { while metric(&gateway, "sluicegate_connections").await != 0 {} }).await;
}
