//! Calls of `/take` that are repeated under an idempotency key.

use serde_json::{Value, json};

use crate::support::{Program, program::deciding};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_call_has_the_same_permit_and_is_charged_once() {
    let gateway = deciding(POLICY);
    let mut programs = tokio::task::JoinSet::new();
    for _ in 0..8 {
        // Connections spread over the gateway's threads.
        let mut program = Program::of(&gateway).await;
        programs.spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..20 {
                answers.push(take(&mut program, "7c0e", 1).await);
            }
            answers
        });
    }
    let answers: Vec<_> = programs.join_all().await.into_iter().flatten().collect();
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
    let mut program = Program::of(&gateway).await;
    assert_eq!(remaining(&mut program).await, 9);
    // Its answer stays the same when its permit has ended.
    program.ask("/release", &json!({"permit": answers[0].1["permit"]})).await;
    assert_eq!(take(&mut program, "7c0e", 1).await, answers[0]);
    assert_ne!(take(&mut program, "7c0f", 1).await.1["permit"], answers[0].1["permit"]);
    assert_eq!(remaining(&mut program).await, 9);
}

#[tokio::test]
async fn a_key_is_for_one_call() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    assert_eq!(take(&mut program, "7c0e", 1).await.0, 200);
    let (status, problem) = take(&mut program, "7c0e", 2).await;
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("use a new key")), "{problem}");
    assert_eq!(remaining(&mut program).await, 9);
}

#[tokio::test]
async fn a_denial_is_not_remembered() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let held = take(&mut program, "1", 10).await.1;
    assert_eq!(take(&mut program, "2", 1).await.1["allowed"], false);
    program.ask("/release", &json!({"permit": held["permit"]})).await;
    assert_eq!(take(&mut program, "2", 1).await.1["allowed"], true);
    assert_eq!(remaining(&mut program).await, 9);
}

#[tokio::test]
async fn a_caller_that_has_left_finds_its_permit_when_it_comes_back() {
    let gateway = deciding(POLICY);
    for _ in 0..5 {
        let mut left = Program::of(&gateway).await;
        left.begin("/take", &headers("7c0e"), call(1).as_bytes()).await;
        drop(left);
    }
    let mut program = Program::of(&gateway).await;
    assert_eq!(take(&mut program, "7c0e", 1).await.1["allowed"], true);
    assert_eq!(remaining(&mut program).await, 9);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let two = format!("{}idempotency-key: b\r\n", headers("a"));
    for wrong in [headers(""), headers("two words"), headers(&"x".repeat(256)), headers("é"), two] {
        let answer = program.send("POST", "/take", &wrong, call(1).as_bytes()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().contains("Idempotency-Key"), "{}", answer.text());
    }
    assert_eq!(take(&mut program, &"x".repeat(255), 1).await.0, 200);
    assert_eq!(remaining(&mut program).await, 9);
}

/// Takes so many items under a key.
async fn take(program: &mut Program, key: &str, items: u64) -> (u16, Value) {
    let answer = program.send("POST", "/take", &headers(key), call(items).as_bytes()).await;
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn headers(key: &str) -> String {
    format!("content-type: application/json\r\nidempotency-key: {key}\r\n")
}

fn call(items: u64) -> String {
    json!({"method": "POST", "path": "/predict", "cost": items}).to_string()
}

async fn remaining(program: &mut Program) -> u64 {
    let peeked = program.ask("/peek", &json!({"method": "POST", "path": "/predict", "cost": 0})).await;
    peeked["limits"][0]["remaining"].as_u64().expect("a number")
}

const POLICY: &str = r#"
    [decisions]
    listen = "127.0.0.1:0"

    [[route]]
    path = "/predict"
    meter = { items = "/inputs" }
    limits = [{ name = "items", quota = "10 items/day", algorithm = "fixed-window" }]
"#;
