//! Responses of the layer's own.

use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use sluicegate_tower::{Limit, PeerAddress, Quota};

use crate::site::{PEER, Site, empty, header, post, remaining, text};

fn site() -> Site {
    Site::new(|builder| builder.limit(Limit::new("predict", Quota::per_minute(2))))
}

#[test]
fn an_admitted_request_is_told_what_is_left() {
    let site = site();
    let answer = site
        .ask_of(empty(post("/")), |_| Response::builder().status(201).body("done".into()).expect("valid"));
    assert_eq!(answer.status(), 201);
    assert_eq!(remaining(&answer), 1);
    assert_eq!(header(&answer, "ratelimit-policy"), Some("\"predict\";q=2;w=60"));
    assert_eq!(text(answer), "done");
}

#[test]
fn a_request_too_many_is_a_429_that_never_reaches_the_service() {
    let site = site();
    site.ask(empty(post("/")));
    site.ask(empty(post("/")));
    let answer = site.ask_of(empty(post("/").header("x-request-id", "trace-7")), |_| panic!("it is denied"));
    assert_eq!(answer.status(), 429);
    assert_eq!(header(&answer, "retry-after"), Some("30"));
    assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    assert_eq!(header(&answer, "x-request-id"), Some("trace-7"));
    let body = text(answer);
    assert!(
        body.contains("Too Many Requests: the limit predict (2/minute) is spent, try again in 30 s"),
        "{body}"
    );
}

#[test]
fn waiting_as_long_as_a_denial_says_is_enough_and_less_is_not() {
    let site = site();
    site.ask(empty(post("/")));
    site.ask(empty(post("/")));
    site.clock.advance(Duration::from_nanos(29_999_999_999));
    assert_eq!(site.ask(empty(post("/"))).status(), 429);
    site.clock.advance(Duration::from_nanos(1));
    assert_eq!(site.ask(empty(post("/"))).status(), 200);
}

#[test]
fn a_denial_of_a_head_request_has_the_length_of_its_body_and_no_body() {
    let site = site();
    let head = || Request::head("/").extension(PeerAddress(PEER));
    site.ask(empty(head()));
    site.ask(empty(head()));
    let answer = site.ask(empty(head()));
    assert_eq!(answer.status(), 429);
    assert!(
        header(&answer, "content-length")
            .is_some_and(|length| length.parse::<usize>().is_ok_and(|it| it > 100))
    );
    assert!(answer.body().is_end_stream());
}

#[test]
fn a_denied_call_of_grpc_is_a_status_in_a_single_head() {
    let site = site();
    let call = || {
        post("/inference.GRPCInferenceService/ModelInfer").header("content-type", "application/grpc+proto")
    };
    site.ask(empty(call()));
    site.ask(empty(call()));
    let answer = site.ask(empty(call()));
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), Some("application/grpc"));
    assert_eq!(header(&answer, "grpc-status"), Some("8"));
    assert_eq!(header(&answer, "grpc-retry-pushback-ms"), Some("30000"));
    assert!(header(&answer, "grpc-message").is_some_and(|text| text.starts_with("Too Many Requests: ")));
    assert!(answer.body().is_end_stream(), "Trailers-Only: no data and no trailers follow");
}

#[test]
fn a_denial_is_told_to_the_listener_once_with_its_key_hashed() {
    let site = site();
    site.ask(empty(post("/")));
    site.ask(empty(post("/")));
    assert_eq!(site.events(), [] as [&str; 0]);
    site.ask(empty(post("/").header("x-request-id", "trace-7")));
    let events = site.events();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!(event.starts_with("denied: limit predict, route predict, key "), "{event}");
    assert!(event.ends_with(", retry after 30 s, request trace-7"), "{event}");
    assert!(!event.contains("192.0.2.7"), "{event}");
}

#[test]
fn decisions_are_counted_under_the_names_that_every_way_in_has() {
    let site = site();
    for _ in 0..3 {
        site.ask(empty(post("/")));
    }
    let text = site.layer.metrics().write(sluicegate_tower::Format::Prometheus).expect("they can be written");
    for line in [
        "sluicegate_requests_total{route=\"predict\",tier=\"default\",decision=\"allow\"} 2",
        "sluicegate_requests_total{route=\"predict\",tier=\"default\",decision=\"deny\"} 1",
    ] {
        assert!(text.lines().any(|told| told.starts_with(line)), "{text}");
    }
}
