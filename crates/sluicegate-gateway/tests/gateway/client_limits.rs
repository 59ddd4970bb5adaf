//! Limits on connected and on silent clients.

use std::{net::Ipv4Addr, num::NonZeroUsize, time::Duration};

use tokio::time::sleep;

use crate::support::{
    Client, Upstream, gateway, gateway_with,
    http2::{Client2, get},
    metric, soon, until,
};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

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

#[tokio::test]
async fn a_client_may_be_idle_between_requests_for_longer_than_a_head_may_take() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        (settings.header_timeout, settings.client_keep_alive) = (SHORT, LONG);
    });
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    sleep(4 * SHORT).await;
    assert_eq!(client.post("/echo", b"still here").await.text(), "still here");
    client.write("GET /seen HTT").await;
    client.closed_cleanly().await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_its_time() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        (settings.header_timeout, settings.client_keep_alive) = (LONG, SHORT);
    });
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    client.closed_cleanly().await;
    let client = Client2::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    client.closed().await;
    Client2::connect(gateway.address()).await.closed().await;
}

#[tokio::test]
async fn a_request_may_take_longer_than_its_client_may_be_idle() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        (settings.header_timeout, settings.client_keep_alive) = (SHORT, SHORT);
        settings.response_timeout = 4 * SHORT;
    });
    let mut one = Client::connect(gateway.address()).await;
    let two = Client2::connect(gateway.address()).await;
    one.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let request = tokio::spawn(two.sending(get("/hang")));
    until(|| upstream.running() == 2).await;
    assert_eq!(one.answer().await.status, 504);
    assert_eq!(request.await.expect("no panic").expect("it is answered").status(), 504);
}
