//! The app as clients see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum_example::{app, policy_file};
use demo::model::Models;
use http_body_util::BodyExt;
use sluicegate_tower::RateLimitLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

const FLOWER: &str = r#"{"input":[5.1,3.5,1.4,0.2]}"#;

fn example() -> Router {
    static MODELS: OnceLock<Arc<Models>> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let models = Models::default();
        models.train_lightweight();
        Arc::new(models)
    });
    let layer = RateLimitLayer::builder().policy_file(policy_file()).build().unwrap();
    app(Arc::clone(models), layer)
}

async fn ask(app: &Router, path: &str, body: &'static str) -> Response<Body> {
    let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
    let request = Request::post(path)
        .extension(ConnectInfo(peer))
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .body(Body::from(body))
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn ten_flowers_a_minute_are_predicted_and_the_next_is_denied() {
    let app = example();
    for _ in 0..10 {
        let answer = ask(&app, "/predict", FLOWER).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(text(answer).await, r#"{"prediction":"setosa"}"#);
    }
    let answer = ask(&app, "/predict", FLOWER).await;
    assert_eq!(answer.status(), 429);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert!(text(answer).await.contains("rate_limit_exceeded"));
}

#[tokio::test]
async fn a_batch_is_charged_for_its_distinct_flowers() {
    let app = example();
    let batch = r#"{"inputs":[[5.1,3.5,1.4,0.2],[5.1,3.5,1.4,0.2],[6.3,3.3,6.0,2.5]]}"#;
    let left = |answer: &Response<Body>| {
        let told = answer.headers()["ratelimit"].to_str().unwrap().to_owned();
        told.split_once(";r=").unwrap().1.split_once(';').unwrap().0.parse::<u64>().unwrap()
    };
    let first = ask(&app, "/predict/batch", batch).await;
    assert_eq!(left(&first), 97, "three are reserved");
    assert_eq!(text(first).await, r#"{"predictions":["setosa","setosa","virginica"]}"#);
    let second = ask(&app, "/predict/batch", batch).await;
    // Some may have been earned back since.
    assert!((95..=96).contains(&left(&second)), "two were charged");
}

#[tokio::test]
async fn paths_without_limits_pass() {
    let app = example();
    let request = Request::get("/health").body(Body::empty()).unwrap();
    let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
    let (mut head, body) = request.into_parts();
    head.extensions.insert(ConnectInfo(peer));
    let answer = app.oneshot(Request::from_parts(head, body)).await.unwrap();
    assert_eq!((answer.status().as_u16(), text(answer).await.as_str()), (200, "ready"));
}

#[tokio::test]
async fn a_server_tells_the_layer_the_addresses_of_its_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = example().into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: model\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{FLOWER}",
        FLOWER.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("ratelimit: \"predict_10_per_minute\";r=9"), "{answer}");
    server.abort();
}
