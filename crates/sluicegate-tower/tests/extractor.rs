//! The layer in apps of axum.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use sluicegate_tower::{CodeMeter, Limit, Permit, Quota, RateLimitLayer, Unit};
use tower::ServiceExt;

fn layer() -> RateLimitLayer {
    let items = Limit::new("items", Quota::per_day(100).of(Unit::Items));
    let inputs = CodeMeter::Items("/inputs".parse().expect("a pointer"));
    RateLimitLayer::builder().limit(items).meter(inputs).build().expect("a good limit")
}

fn ask(app: &Router, request: axum::http::request::Builder, body: &'static str) -> Response<Body> {
    let request = request.header("content-type", "application/json").header("content-length", body.len());
    let Ok(response) =
        pollster::block_on(app.clone().oneshot(request.body(Body::from(body)).expect("valid")));
    response
}

fn from(peer: &str, path: &str) -> axum::http::request::Builder {
    let peer: SocketAddr = peer.parse().expect("an address");
    Request::post(path).extension(ConnectInfo(peer))
}

fn text(response: Response<Body>) -> String {
    let bytes = pollster::block_on(response.into_body().collect()).expect("no body fails").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn left(response: &Response<Body>) -> &str {
    response.headers()["ratelimit"].to_str().expect("ASCII")
}

#[test]
fn clients_are_told_apart_by_the_address_of_their_connection() {
    let app = Router::new().route("/", post(async || "done")).layer(layer());
    let batch = r#"{"inputs":[1,2,3]}"#;
    assert!(left(&ask(&app, from("192.0.2.1:5000", "/"), batch)).starts_with("\"items\";r=97"));
    assert!(left(&ask(&app, from("192.0.2.2:5000", "/"), batch)).starts_with("\"items\";r=97"));
    assert!(left(&ask(&app, from("192.0.2.1:5001", "/"), batch)).starts_with("\"items\";r=94"));
    let answer = ask(&app, Request::post("/"), batch);
    assert_eq!(answer.status(), 500);
    assert!(text(answer).contains("no_client_address"));
}

#[test]
fn a_handler_settles_the_permit_that_it_extracts_and_reads_the_whole_body() {
    async fn predict(permit: Permit, body: String) -> String {
        permit.settle(1);
        body
    }
    let app = Router::new().route("/", post(predict)).layer(layer());
    let batch = r#"{"inputs":[1,2,3]}"#;
    let answer = ask(&app, from("192.0.2.1:5000", "/"), batch);
    assert!(left(&answer).starts_with("\"items\";r=97"));
    assert_eq!(text(answer), batch);
    assert!(left(&ask(&app, from("192.0.2.1:5000", "/"), batch)).starts_with("\"items\";r=96"));
}

#[test]
fn a_handler_without_a_layer_is_told_what_it_lacks_unless_it_asks_for_an_option() {
    let app: Router = Router::new()
        .route("/", get(async |_: Permit| "done"))
        .route("/either", get(async |permit: Option<Permit>| permit.is_some().to_string()));
    let answer = ask(&app, Request::get("/"), "");
    assert_eq!(answer.status(), 500);
    assert!(text(answer).starts_with("no permit: add a RateLimitLayer to the route of this handler"));
    assert_eq!(text(ask(&app, Request::get("/either"), "")), "false");
}
