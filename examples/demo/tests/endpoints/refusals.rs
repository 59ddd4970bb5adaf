//! Responses to invalid requests. None of them is charged.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use super::{client, warm_demo};

#[tokio::test]
async fn a_batch_that_cannot_be_counted_is_a_bad_request_and_costs_nothing() {
    let demo = warm_demo().await;
    let client = client(&demo);
    let bodies = [
        r#"{"inputs": ["#,
        r#"{"inputs": -1}"#,
        r#"{"inputs": 1.5}"#,
        r#"{"inputs": 99999999999999999999}"#,
        r#"{"inputs": "many"}"#,
        r#"{"inputs": [], "inputs": []}"#,
        r#"{"input": []}"#,
        "",
    ];
    for body in bodies {
        let answer = client.send(Method::POST, "/predict/batch", Bytes::from(body)).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(!answer.detail().is_empty());
    }
    assert_eq!(client.predict_batch("/predict/batch", 100).await.status, 200);
}

#[tokio::test]
async fn a_batch_too_large_to_be_counted_is_refused_and_costs_nothing() {
    let demo = warm_demo().await;
    let client = client(&demo);
    let body = Bytes::from(vec![b' '; (1 << 20) + 1]);
    assert_eq!(client.send(Method::POST, "/predict/batch", body).await.status, 413);
    let whole = client.predict_batch("/predict/batch", 100).await;
    assert_eq!((whole.status, whole.header("ratelimit").is_some()), (200, true), "{whole:?}");
}

#[tokio::test]
async fn the_model_s_own_errors_pass_untouched_and_are_charged_as_predictions() {
    let demo = warm_demo().await;
    let client = client(&demo);
    let malformed = client.send(Method::POST, "/predict", Bytes::from("{")).await;
    assert_eq!((malformed.status, malformed.header("content-type")), (400, Some("application/json")));
    let impossible = client.post("/predict", &json!({"input": [5.1, 3.5, 1.4]})).await;
    assert_eq!(impossible.status, 422);
    assert!(impossible.json()["detail"].as_str().unwrap().contains("4 measurements"), "{impossible:?}");
    assert_eq!(
        client.predict("/predict").await.header("ratelimit"),
        Some("\"predict_10_per_minute\";r=7;t=42")
    );
}

#[tokio::test]
async fn api_keys_cannot_be_guessed_at_speed() {
    let demo = warm_demo().await;
    let client = client(&demo);
    let guess = client.with("x-api-key", "sg_00000000_0000000000000000000000000000000000000000000");
    let first = guess.predict("/model-info").await;
    assert_eq!(first.status, 401);
    assert!(first.header("www-authenticate").is_some() && !first.detail().is_empty());
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(guess.get("/model-info").await.status);
    }
    assert!(statuses.contains(&429) && !statuses.contains(&200), "{statuses:?}");
    // Who brings no key is not held up by one who guesses from the same address.
    assert_eq!(client.get("/model-info").await.status, 200);
}
