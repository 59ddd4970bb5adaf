//! Layers whose accounts are in Redis, and settlements that have to wait for it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::Ipv4Addr,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sluicegate_test_servers::RedisServer;
use sluicegate_tower::{
    Limit, PeerAddress, Permit, Policy, Quota, RateLimitLayer, RequestBody, Source, Unit,
};
use tower::{Layer, ServiceExt};

#[tokio::test]
async fn a_settlement_reaches_the_store_after_the_response_has_ended() {
    let redis = RedisServer::start();
    let (first, second) = (layer(&redis), layer(&redis));
    assert_eq!(left(&first, 100, None).await, 900);
    assert_eq!(left(&second, 100, Some(30)).await, 800, "both layers charge one account");
    // What is given back arrives as soon as the runtime has sent it.
    let mut after = 0;
    for _ in 0..10_000 {
        after = left(&first, 0, None).await;
        if after == 870 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(after, 870);
}

#[tokio::test]
async fn a_slot_is_free_for_other_layers_when_the_response_is_dropped() {
    let redis = RedisServer::start();
    let slots = || build(&redis, Limit::new("slots", Quota::concurrent(1)));
    let (first, second) = (slots(), slots());
    let held = ask(&first, 1, None).await;
    assert_eq!(held.status(), 200);
    assert_eq!(ask(&second, 1, None).await.status(), 429);
    drop(held);
    let mut status = 429;
    for _ in 0..10_000 {
        status = ask(&second, 1, None).await.status().as_u16();
        if status == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(status, 200);
}

fn layer(redis: &RedisServer) -> RateLimitLayer {
    build(redis, Limit::new("items", Quota::per_day(1_000).of(Unit::Items)))
}

fn build(redis: &RedisServer, limit: Limit) -> RateLimitLayer {
    // Some machines are slow.
    let text = format!("[store]\nurl = {:?}\ntimeout = \"1s\"\nremember_denials = false", redis.url());
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    let policy = Policy::parse(&source).unwrap_or_else(|error| panic!("{error}"));
    let builder = RateLimitLayer::builder().policy(policy).limit(limit).cost_by(|head| -> u64 {
        head.headers.get("items").and_then(|items| items.to_str().ok()?.parse().ok()).unwrap_or(1)
    });
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

async fn ask(
    layer: &RateLimitLayer,
    items: u64,
    actual: Option<u64>,
) -> Response<sluicegate_tower::ResponseBody<Full<Bytes>>> {
    let service = layer.layer(tower::service_fn(
        move |asked: Request<RequestBody<Full<Bytes>>>| -> Ready<Result<_, Infallible>> {
            if let (Some(permit), Some(actual)) = (asked.extensions().get::<Permit>(), actual) {
                permit.settle(actual);
            }
            ready(Ok(Response::new(Full::from("done"))))
        },
    ));
    let request =
        Request::post("/").header("items", items).extension(PeerAddress(Ipv4Addr::LOCALHOST.into()));
    let Ok(response) = service.oneshot(request.body(Full::default()).expect("a good request")).await;
    response
}

/// What a request leaves of its limit.
async fn left(layer: &RateLimitLayer, items: u64, actual: Option<u64>) -> u64 {
    let response = ask(layer, items, actual).await;
    let told = response.headers()["ratelimit"].to_str().expect("ASCII");
    let (_, rest) = told.split_once(";r=").unwrap_or_else(|| panic!("{told}"));
    rest.split(';').next().and_then(|left| left.parse().ok()).expect("a number")
}
