//! Explanations on the admin port: the decision on a request before it is sent.

use serde_json::{Value, json};
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source};
use sluicegate_test_servers::{MemcachedServer, RedisServer};

use crate::support::{Client, Upstream, client::Answer, gateway_with, metrics};

#[tokio::test]
async fn in_every_store_an_explanation_is_what_the_next_request_meets_and_spends_nothing() {
    let (upstream, redis, memcached) =
        (Upstream::start().await, RedisServer::start(), MemcachedServer::start());
    for store in ["memory://", &redis.url(), &memcached.url()] {
        let text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"http://{}\"\nthreads = 1\n\
             [store]\nurl = \"{store}\"\ntimeout = \"1s\"\n\
             [[route]]\npath = \"/echo\"\nlimits = [\n\
             {{ name = \"bucket\", quota = \"3/day\" }}, {{ name = \"fixed\", quota = \"4/day\", algorithm = \"fixed-window\" }}]",
            upstream.address
        );
        let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
        let policy = Policy::parse(&source).expect("it is valid");
        let gateway = Gateway::start(policy).await.expect("the store is there");
        let mut client = Client::connect(gateway.address()).await;
        for left in [2, 1, 0] {
            for _ in 0..3 {
                let told = json(&explain(&gateway, &json!({ "request": "/echo" })).await);
                assert_eq!(
                    (&told["outcome"], &told["limits"][0]["remaining"]),
                    (&json!("admitted"), &json!(left)),
                    "{store}"
                );
            }
            let answer = client.get("/echo").await;
            assert_eq!(answer.status, 200, "{store}");
            assert!(
                answer.header("ratelimit").expect("it has limits").contains(&format!("\"bucket\";r={left}"))
            );
        }
        let told = json(&explain(&gateway, &json!({ "request": "GET /echo", "from": "127.0.0.1" })).await);
        let denied = client.get("/echo").await;
        assert_eq!((denied.status, &told["response"]["status"]), (429, &json!(429)), "{store}: {told}");
        let wait = |text: &str| text.parse::<i64>().expect("seconds");
        let foretold = wait(told["response"]["headers"]["retry-after"].as_str().expect("it has one"));
        assert!((foretold - wait(denied.header("retry-after").expect("it has one"))).abs() <= 1, "{store}");
        let fits: Vec<_> =
            told["limits"].as_array().expect("limits").iter().map(|limit| &limit["fits"]).collect();
        assert_eq!(fits, [false, true], "{store}");
        let counted = metrics(&gateway).await;
        assert!(
            counted
                .contains("sluicegate_requests_total{route=\"/echo\",tier=\"default\",decision=\"allow\"} 3"),
            "{counted}"
        );
    }
}

#[tokio::test]
async fn a_body_is_metered_as_text_or_as_json() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    for (body, status) in [
        (json!({ "inputs": [1, 2] }), Value::Null),
        (json!("{\"inputs\": [1]}"), Value::Null),
        (json!("["), json!(400)),
    ] {
        let question =
            json!({ "request": "POST /held/x", "headers": { "accept": ["a/b", "c/d"] }, "body": body });
        let told = json(&explain(&gateway, &question).await);
        assert_eq!(told["response"]["status"], status, "{told}");
    }
    assert_eq!(upstream.requests(), 0, "nothing is sent");
}

#[tokio::test]
async fn what_describes_no_request_is_a_problem_that_shows_no_secret() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    for question in [
        json!({}),
        json!(["hunter2"]),
        json!({ "request": "predict" }),
        json!({ "request": "/", "headers": { "x-api-key": 7 } }),
        json!({ "request": "/", "headers": { "x-api-key": "hunter2\n" } }),
        json!({ "request": "/", "from": "hunter2" }),
        json!({ "request": "/", "hunter2": true }),
    ] {
        let answer = explain(&gateway, &question).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/problem+json")),
            "{question}"
        );
        assert!(
            answer.text().contains("POST /predict") && !answer.text().contains("hunter2"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn explanations_are_for_who_knows_the_token() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.admin_token = Some("hunter2hunter2hunter2".into());
    });
    assert_eq!(explain(&gateway, &json!({ "request": "/" })).await.status, 401);
}

async fn explain(gateway: &Gateway, question: &Value) -> Answer {
    let mut client = Client::connect(gateway.admin_address()).await;
    let body = question.to_string();
    client
        .write(format!(
            "POST /explain HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.answer().await
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}
