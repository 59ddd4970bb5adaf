//! Decisions for programs, by JSON: what is taken, held, settled and given back.

use std::{fs, net::Ipv4Addr};

use serde_json::{Value, json};
use sluicegate_gateway::{Gateway, Origin};
use sluicegate_policy::Overrides;
use tempfile::TempDir;

use crate::support::{
    Client, Program, Upstream, gateway_of, metric,
    program::{deciding, deciding_policy},
    soon,
};

#[tokio::test]
async fn a_request_that_may_run_has_a_permit_and_the_balances() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let mut answer = program.ask("/take", &batch("192.0.2.1", 3)).await;
    let permit = answer["permit"].take();
    assert!(permit.as_str().is_some_and(|permit| permit.len() == 41), "{permit}");
    assert!(answer["limits"][0]["reset_after"].take().as_f64().is_some_and(|reset| reset > 25_000.0));
    let headers = answer["headers"].take();
    assert_eq!(headers["ratelimit"].as_str().map(|told| &told[..13]), Some("\"items\";r=7;t"));
    assert_eq!(
        answer,
        json!({
            "allowed": true,
            "route": "/predict",
            "permit": null,
            "lease": 60.0,
            "limits": [
                {"name": "items", "quota": "10 items/day", "unit": "items", "limit": 10, "cost": 3,
                 "remaining": 7, "reset_after": null},
                {"name": "slots", "quota": "2 concurrent", "unit": "concurrent", "limit": 2, "cost": 1,
                 "remaining": 1, "reset_after": 0.0},
            ],
            "headers": null,
        })
    );
}

#[tokio::test]
async fn a_request_that_may_not_has_the_answer_for_its_client() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    program.ask("/take", &batch("192.0.2.1", 10)).await;
    for path in ["/take", "/peek"] {
        let denied = program.ask(path, &batch("192.0.2.1", 1)).await;
        assert_eq!((&denied["allowed"], &denied["status"]), (&json!(false), &json!(429)));
        assert!(denied["retry_after"].as_u64().is_some_and(|wait| wait > 8_000), "{denied}");
        assert_eq!(denied["headers"]["retry-after"], denied["retry_after"].to_string());
        assert_eq!(denied["headers"]["content-type"], "application/problem+json");
        assert_eq!(denied["limits"][0]["remaining"], 0);
        assert_eq!(denied["body"]["status"], 429);
        assert!(denied["permit"].is_null());
    }
    // Waiting never helps.
    let never = program.ask("/take", &batch("192.0.2.2", 11)).await;
    assert_eq!((&never["status"], &never["retry_after"]), (&json!(429), &Value::Null));
    // Peeks are not counted.
    let denials = "sluicegate_requests_total{route=\"/predict\",tier=\"default\",decision=\"deny\"}";
    assert_eq!(metric(&gateway, denials).await, 2);
}

#[tokio::test]
async fn what_the_gateway_refuses_is_an_answer_too() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let cases = [
        (json!({"method": "GET", "path": "/a/../predict"}), 400, "ambiguous_path"),
        (json!({"method": "POST", "path": "/predict"}), 400, "invalid_body"),
        (json!({"method": "POST", "path": "/predict", "body": {"inputs": "many"}}), 400, "invalid_body"),
        (json!({"method": "GET", "path": "/premium"}), 403, "tier_required"),
    ];
    for path in ["/take", "/peek"] {
        for (call, status, code) in &cases {
            let answer = program.ask(path, call).await;
            assert_eq!((&answer["allowed"], &answer["status"]), (&json!(false), &json!(status)), "{call}");
            assert_eq!(answer["body"]["error"]["code"], *code, "{call}");
            assert_eq!(answer["limits"], json!([]));
        }
    }
}

#[tokio::test]
async fn slots_are_held_until_the_permit_ends() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let mut permits = Vec::new();
    for _ in 0..2 {
        permits.push(program.ask("/take", &batch("192.0.2.1", 1)).await["permit"].clone());
    }
    assert_eq!(program.ask("/take", &batch("192.0.2.1", 1)).await["retry_after"], 1);
    let settled = program.ask("/settle", &json!({"permit": permits[0]})).await;
    assert_eq!(settled, json!({"permit": permits[0], "state": "settled"}));
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [8, 1]);
    let released = program.ask("/release", &json!({"permit": permits[1]})).await;
    assert_eq!(released, json!({"permit": permits[1], "state": "released"}));
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [9, 2]);
}

#[tokio::test]
async fn usage_replaces_the_estimate_once() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let permit = program.ask("/take", &batch("192.0.2.1", 6)).await["permit"].clone();
    let settle = json!({"permit": permit, "usage": {"items": 2}});
    for _ in 0..3 {
        program.ask("/settle", &settle).await;
        assert_eq!(remaining(&mut program, "192.0.2.1").await, [8, 2]);
    }
    for (path, other) in [
        ("/settle", json!({"permit": permit, "usage": {"items": 3}})),
        ("/settle", json!({"permit": permit, "cost": 2})),
        ("/settle", json!({"permit": permit})),
        ("/release", json!({"permit": permit})),
    ] {
        let (status, problem) = program.call(path, other.to_string().as_bytes()).await;
        assert_eq!(status, 409, "{problem}");
    }
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [8, 2]);
    // More than was estimated is a debt. Other units change nothing.
    let permit = program.ask("/take", &batch("192.0.2.1", 6)).await["permit"].clone();
    program.ask("/settle", &json!({"permit": permit, "usage": {"items": 9, "bytes": 5.0}})).await;
    let peeked = program.ask("/peek", &batch("192.0.2.1", 1)).await;
    assert_eq!((&peeked["allowed"], &peeked["limits"][0]["remaining"]), (&json!(false), &json!(0)));
}

#[tokio::test]
async fn a_cost_stands_in_for_the_body() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let call = json!({"method": "POST", "path": "/predict", "client_ip": "192.0.2.1", "cost": 4});
    let permit = program.ask("/take", &call).await["permit"].clone();
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [6, 1]);
    program.ask("/settle", &json!({"permit": permit, "cost": 1})).await;
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [9, 2]);
}

#[tokio::test]
async fn tokens_are_reserved_by_the_body_and_settled_by_usage() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let call = json!({
        "method": "POST", "path": "/v1/chat/completions", "client_ip": "192.0.2.1",
        "body": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 500},
    });
    let taken = program.ask("/take", &call).await;
    assert!(taken["limits"][0]["cost"].as_u64().is_some_and(|cost| cost > 500), "{taken}");
    let usage = json!({"input_tokens": 12, "output_tokens": 30, "requests": 1});
    program.ask("/settle", &json!({"permit": taken["permit"], "usage": usage})).await;
    let left = program.ask("/take", &call).await;
    let reserved = left["limits"][0]["cost"].as_u64().expect("a number");
    assert_eq!(left["limits"][0]["remaining"], 10_000 - 42 - reserved);
    assert_eq!(metric(&gateway, CHARGED).await, 42);
    program.ask("/release", &json!({"permit": left["permit"]})).await;
    assert_eq!(program.ask("/peek", &call).await["limits"][0]["remaining"], 10_000 - 42 - reserved);
    // Without a meter that reads the body, tokens are a cost as any other.
    let call =
        json!({"method": "POST", "path": "/v1/chat/completions", "client_ip": "192.0.2.2", "cost": 100});
    let taken = program.ask("/take", &call).await;
    program
        .ask("/settle", &json!({"permit": taken["permit"], "usage": {"input_tokens": 5, "output_tokens": 6}}))
        .await;
    assert_eq!(program.ask("/peek", &call).await["limits"][0]["remaining"], 10_000 - 11 - 100);
}

#[tokio::test]
async fn a_peek_charges_nothing_and_gives_no_permit() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    for _ in 0..20 {
        let peeked = program.ask("/peek", &batch("192.0.2.1", 10)).await;
        assert_eq!((&peeked["allowed"], &peeked["permit"]), (&json!(true), &Value::Null));
        assert_eq!(peeked["limits"][0]["remaining"], 0);
    }
    assert_eq!(program.ask("/take", &batch("192.0.2.1", 10)).await["allowed"], true);
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let mut call = batch("192.0.2.1", 1);
    call["lease"] = json!(0.02);
    let taken = program.ask("/take", &call).await;
    assert_eq!(taken["lease"], 0.02);
    // The slot comes back, and the item does not.
    soon(async { while remaining(&mut program, "192.0.2.1").await != [9, 2] {} }).await;
    for path in ["/settle", "/release"] {
        let (status, problem) =
            program.call(path, json!({"permit": taken["permit"]}).to_string().as_bytes()).await;
        assert_eq!(status, 410);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("lease")), "{problem}");
    }
}

#[tokio::test]
async fn a_program_is_the_client_of_its_own_requests() {
    let gateway = deciding(POLICY);
    let address = gateway.decisions_address().expect("the policy has one");
    for (host, left) in [(5, 9), (6, 9), (5, 8)] {
        let mut client = Client::connect_from(Ipv4Addr::new(127, 0, 0, host), address).await;
        let call = json!({"method": "POST", "path": "/predict", "cost": 1}).to_string();
        let head = format!(
            "POST /take HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            call.len()
        );
        client.write(head + &call).await;
        let answer: Value = serde_json::from_slice(&client.answer().await.body).expect("JSON");
        assert_eq!(answer["limits"][0]["remaining"], left);
    }
}

#[tokio::test]
async fn programs_and_clients_of_the_gateway_share_accounts() {
    let upstream = Upstream::start().await;
    let gateway = gateway_of(POLICY, upstream.address, |_| {});
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.post("/predict", b"{\"inputs\":[1,2,3]}").await.status, 200);
    let mut program = Program::of(&gateway).await;
    assert_eq!(program.ask("/take", &batch("127.0.0.1", 7)).await["allowed"], true);
    assert_eq!(client.post("/predict", b"{\"inputs\":[1]}").await.status, 429);
}

#[tokio::test]
async fn a_permit_is_settled_after_a_reload_by_the_policy_that_gave_it() {
    let folder = TempDir::new().expect("there is room");
    let file = folder.path().join("sluicegate.toml");
    let text = |more: &str| ["[gateway]\nadmin = \"127.0.0.1:0\"\n", more].concat();
    fs::write(&file, text(POLICY)).expect("the folder is there");
    let mut origin = Origin::new(Some(file.clone()), Overrides::default());
    let policy = origin.read().expect("it is valid");
    let gateway = Gateway::start_from(origin, policy).await.expect("loopback has free ports");
    let mut program = Program::of(&gateway).await;
    let permit = program.ask("/take", &batch("192.0.2.1", 6)).await["permit"].clone();
    fs::write(&file, text(&POLICY.replace("[decisions]", "[decisions]\nlease = \"5s\"")))
        .expect("it is there");
    assert_eq!(gateway.reload().await.expect("it is valid").needs_restart, Vec::<String>::new());
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [4, 1]);
    program.ask("/settle", &json!({"permit": permit, "usage": {"items": 1}})).await;
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [9, 2]);
    assert_eq!(program.ask("/take", &batch("192.0.2.1", 1)).await["lease"], 5.0);
}

#[tokio::test]
async fn permits_are_bounded_and_the_next_call_is_told_when_one_ends() {
    let gateway = deciding(&POLICY.replace("[decisions]", "[decisions]\nmax_permits = 1"));
    let mut program = Program::of(&gateway).await;
    let permit = program.ask("/take", &batch("192.0.2.1", 1)).await["permit"].clone();
    let call = batch("192.0.2.1", 1).to_string();
    let answer = program.send("POST", "/take", "content-type: application/json\r\n", call.as_bytes()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")));
    assert!(answer.text().contains("decisions.max_permits"), "{}", answer.text());
    program.ask("/settle", &json!({"permit": permit})).await;
    // What could not be held was not charged.
    assert_eq!(remaining(&mut program, "192.0.2.1").await, [9, 2]);
    assert_eq!(program.ask("/take", &batch("192.0.2.1", 1)).await["allowed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_programs_on_many_connections_lose_and_double_nothing() {
    let gateway = deciding(MANY);
    let mut programs = tokio::task::JoinSet::new();
    for number in 0..8 {
        // Connections spread over the gateway's threads, and each permit is settled on another one.
        let (mut taking, mut settling) = (Program::of(&gateway).await, Program::of(&gateway).await);
        programs.spawn(async move {
            for turn in 0..50 {
                let taken =
                    taking.ask("/take", &json!({"method": "POST", "path": "/many", "cost": 10})).await;
                let usage = json!({"permit": taken["permit"], "usage": {"items": 3}});
                let (first, second) =
                    tokio::join!(settling.ask("/settle", &usage), taking.ask("/settle", &usage));
                assert_eq!(first, second, "{number} {turn}");
            }
        });
    }
    while let Some(program) = programs.join_next().await {
        program.expect("it does not panic");
    }
    let mut program = Program::of(&gateway).await;
    let peeked = program.ask("/peek", &json!({"method": "POST", "path": "/many", "cost": 0})).await;
    assert_eq!(peeked["limits"][0]["remaining"], 1_000_000 - 8 * 50 * 3);
    assert_eq!(peeked["limits"][1]["remaining"], 100 - 1);
}

#[tokio::test]
async fn a_store_that_does_not_answer_decides_by_its_outage_mode() {
    let store = "[store]\nurl = \"redis://127.0.0.1:1\"\noutage = \"deny\"\n";
    let decisions = "[decisions]\ntoken = \"0123456789abcdef\"";
    let policy = deciding_policy(&[store, &POLICY.replace("[decisions]", decisions)].concat());
    let gateway = Gateway::start(policy).await.expect("loopback has free ports");
    let mut program = Program::of(&gateway).await;
    let headers = "content-type: application/json\r\nsluicegate-token: 0123456789abcdef\r\n";
    let call = batch("192.0.2.1", 1).to_string();
    let answer = program.send("POST", "/take", headers, call.as_bytes()).await;
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&answer["allowed"], &answer["status"]), (&json!(false), &json!(503)));
    assert_eq!(program.send("POST", "/take", "content-type: application/json\r\n", b"{}").await.status, 401);
}

/// A request of a client with a batch of so many items.
fn batch(client: &str, items: usize) -> Value {
    json!({"method": "POST", "path": "/predict?a=1", "client_ip": client, "body": {"inputs": vec![1; items]}})
}

/// The items and the slots that a client has left.
async fn remaining(program: &mut Program, client: &str) -> [u64; 2] {
    let call = json!({"method": "POST", "path": "/predict", "client_ip": client, "cost": 0});
    let peeked = program.ask("/peek", &call).await;
    // A peek at slots takes one for the moment.
    [0, 1].map(|place| {
        let limit = &peeked["limits"][place];
        let cost = if peeked["allowed"] == true { limit["cost"].as_u64() } else { Some(0) };
        limit["remaining"].as_u64().zip(cost).map(|(left, cost)| left + cost).expect("numbers")
    })
}

const CHARGED: &str = "sluicegate_charged_tokens_total{route=\"/v1/chat/completions\"}";

const POLICY: &str = r#"
    [decisions]
    listen = "127.0.0.1:0"

    [tiers.default]
    [tiers.premium]

    [identity]
    default_tier = "default"

    [[route]]
    path = "/predict"
    meter = { items = "/inputs" }
    limits = [
      { name = "items", quota = "10 items/day" },
      { name = "slots", quota = "2 concurrent" },
    ]

    [[route]]
    path = "/v1/chat/completions"
    meter = "openai"
    limits = [{ name = "tpm", quota = "10000 tokens/day" }]

    [[route]]
    path = "/premium"
    tier = "premium"
"#;

const MANY: &str = r#"
    [decisions]
    listen = "127.0.0.1:0"

    [[route]]
    path = "/many"
    meter = { items = "/inputs" }
    limits = [
      { name = "items", quota = "1000000 items/day", algorithm = "fixed-window" },
      { name = "slots", quota = "100 concurrent" },
    ]
"#;
