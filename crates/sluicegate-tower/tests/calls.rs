//! The layer around a server of tonic, asked by a client of tonic.

use sluicegate_tower::{Limit, Quota, RateLimitLayer};
use tokio::net::TcpListener;
use tonic::{
    Code,
    transport::{
        Channel, Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

#[tokio::test]
async fn a_call_too_many_is_resource_exhausted_and_tells_when_to_retry() {
    let mut client = with(Limit::new("calls", Quota::per_day(1))).await;
    let admitted = client.check(HealthCheckRequest::default()).await.expect("it is the first");
    assert!(admitted.metadata().get("ratelimit").is_some_and(|told| told == "\"calls\";r=0;t=86400"));

    let denied = client.check(HealthCheckRequest::default()).await.expect_err("it is one too many");
    assert_eq!(denied.code(), Code::ResourceExhausted);
    assert!(denied.message().starts_with("Too Many Requests: the limit calls (1/day) is spent"), "{denied}");
    let pushback = denied.metadata().get("grpc-retry-pushback-ms").expect("it tells when to retry");
    let milliseconds: u64 = pushback.to_str().expect("ASCII").parse().expect("a number");
    assert!((86_000_000..=86_400_000).contains(&milliseconds));
}

#[tokio::test]
async fn a_stream_of_responses_holds_its_slot_until_its_client_has_left() {
    let mut client = with(Limit::new("slots", Quota::concurrent(1))).await;
    let watching = client.watch(HealthCheckRequest::default()).await.expect("the slot is free").into_inner();
    let denied = client.check(HealthCheckRequest::default()).await.expect_err("the slot is taken");
    assert_eq!(denied.code(), Code::ResourceExhausted);
    drop(watching);
    // The server hears of it when the connection has carried it there.
    while client.check(HealthCheckRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// A client of a server with this limit for each client's address.
async fn with(limit: Limit) -> HealthClient<Channel> {
    let layer = RateLimitLayer::builder()
        .limit(limit)
        .peer_by(|head| Some(head.extensions.get::<TcpConnectInfo>()?.remote_addr()?.ip()))
        .build()
        .expect("a good limit");
    let (_, service) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = Server::builder().layer(layer).add_service(service);
    tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    HealthClient::new(endpoint.connect().await.expect("it listens"))
}
