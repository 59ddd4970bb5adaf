//! Limits of tokens: what a request reserves before it runs, and what it is charged when its answer has ended.

use http::{Response, StatusCode, response};
use serde_json::{Value, json};
use sluicegate_policy::{Ending, Pass, ResponseMeter, Settlement, TokenClass};

use crate::site::{Ask, Reply, Site, Store, now};

#[test]
fn input_and_output_are_reserved_before_a_request_runs() {
    let site = site(&["1000 tokens/day", "1000 input_tokens/day", "1000 output_tokens/day"]);
    let pass = site.send(&chat(100)).passed();
    let reserved = pass.reservation().unwrap().reserved();
    assert_eq!(reserved.output, 100);
    assert!((5..20).contains(&reserved.input), "{reserved:?}");
    assert_eq!(balances(&pass), [900 - reserved.input, 1000 - reserved.input, 900]);
}

#[test]
fn each_choice_reserves_its_output() {
    let site = site(&["1000 output_tokens/day"]);
    let body =
        json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 100, "n": 3 });
    assert_eq!(balances(&site.send(&post(&body)).passed()), [700]);
}

#[test]
fn a_request_that_names_no_maximum_reserves_the_default() {
    let site = with_meter("{ tokens = \"openai\", default_output = 250 }", &["1000 output_tokens/day"]);
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(balances(&site.send(&post(&body)).passed()), [750]);
}

#[test]
fn what_answers_without_a_maximum_use_is_learned() {
    let site = with_meter("{ tokens = \"openai\", default_output = 500 }", &["1000000 output_tokens/day"]);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let reserved = || site.send(&post(&body)).passed().reservation().unwrap().reserved().output;
    assert_eq!(reserved(), 500);
    for _ in 0..50 {
        let pass = site.send(&post(&body)).passed();
        settle(pass, answer(&json!({ "usage": { "prompt_tokens": 9, "completion_tokens": 40 } })));
    }
    assert!((40..60).contains(&reserved()), "{}", reserved());
}

#[test]
fn what_was_used_takes_the_place_of_what_was_reserved() {
    let site = site(&["1000 tokens/day", "10/day", "5 concurrent"]);
    let pass = site.send(&chat(500)).passed();
    settle(pass, answer(&json!({ "usage": { "prompt_tokens": 12, "completion_tokens": 30 } })));
    let next = site.send(&chat(1)).passed();
    let input = next.reservation().unwrap().reserved().input;
    assert_eq!(balances(&next), [1000 - 42 - 1 - input, 8, 4]);
}

#[test]
fn more_than_was_reserved_is_a_debt_of_the_caller() {
    let site = with_meter("{ tokens = \"openai\", default_output = 10 }", &["1000 output_tokens/day"]);
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let pass = site.send(&post(&body)).passed();
    settle(pass, answer(&json!({ "usage": { "prompt_tokens": 2, "completion_tokens": 1500 } })));
    assert_eq!(site.send(&post(&body)).status(), 429, "500 tokens are owed");
    site.wait(86_400 / 2);
    assert_eq!(site.send(&post(&body)).status(), 429, "and now as good as none");
    site.wait(86_400 / 50);
    assert_eq!(site.send(&post(&body)).status(), 200);
}

#[test]
fn a_debt_is_forgiven_or_bounded_where_the_policy_says_so() {
    let cases = [("debt = \"forgive\"", 10), ("max_debt = 90", 100), ("debt = \"carry\"", 700)];
    for (debt, charged) in cases {
        let limit = format!("{{ name = \"otpm\", quota = \"1000 output_tokens/day\", {debt} }}");
        let site = Site::new(&format!(
            "[[route]]\npath = \"/\"\nmeter = {{ tokens = \"openai\", default_output = 10 }}\nlimits = [{limit}]"
        ));
        let body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        let pass = site.send(&post(&body)).passed();
        settle(pass, answer(&json!({ "usage": { "prompt_tokens": 2, "completion_tokens": 700 } })));
        assert_eq!(balances(&site.send(&post(&body)).passed()), [1000 - charged - 10], "{debt}");
    }
}

#[test]
fn a_limit_can_reserve_less_and_charge_afterwards() {
    for (reserve, taken) in [("input", None), ("off", Some(1))] {
        let limit = format!("{{ name = \"tpm\", quota = \"1000 tokens/day\", reserve = \"{reserve}\" }}");
        let site = Site::new(&format!("[[route]]\npath = \"/\"\nmeter = \"openai\"\nlimits = [{limit}]"));
        let pass = site.send(&chat(5000)).passed();
        let taken = taken.unwrap_or(pass.reservation().unwrap().reserved().input);
        assert_eq!(balances(&pass), [1000 - taken], "{reserve}");
        settle(pass, answer(&json!({ "usage": { "prompt_tokens": 12, "completion_tokens": 988 } })));
        assert_eq!(site.send(&chat(1)).status(), 429, "{reserve}: everything is spent");
    }
}

#[test]
fn weights_apply_before_and_after() {
    let meter = "{ tokens = \"openai\", weights = { output = 4, cached_input = 0.1 } }";
    let site = with_meter(meter, &["10000 tokens/day"]);
    let pass = site.send(&chat(100)).passed();
    assert_eq!(pass.reservation().unwrap().reserved().output, 400);
    let usage = json!({
        "prompt_tokens": 110, "completion_tokens": 10, "prompt_tokens_details": { "cached_tokens": 100 },
    });
    settle(pass, answer(&json!({ "usage": usage })));
    let next = site.send(&chat(1)).passed();
    let reserved = next.reservation().unwrap().reserved();
    assert_eq!(balances(&next), [10_000 - (10 + 10 + 40) - reserved.input - 4]);
}

#[test]
fn an_upstream_that_fails_gives_the_tokens_back_and_keeps_the_request() {
    for status in [400, 429, 500, 503] {
        let site = site(&["1000 tokens/day", "10/day"]);
        let pass = site.send(&chat(500)).passed();
        settle(pass, |pass| {
            let mut failed = meter(pass, status, "application/json");
            failed.data(b"{\"error\":{\"message\":\"no\"}}");
            failed.complete();
            failed
        });
        let next = site.send(&chat(1)).passed();
        let input = next.reservation().unwrap().reserved().input;
        assert_eq!(balances(&next), [1000 - 1 - input, 8], "{status}");
    }
}

#[test]
fn a_client_that_leaves_a_stream_pays_the_input_and_what_was_produced() {
    let site = site(&["1000 tokens/day"]);
    let stream =
        json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 100, "stream": true });
    let pass = site.send(&post(&stream)).passed();
    let input = pass.reservation().unwrap().usage().of(TokenClass::Input);
    let unanswered = pass.reservation().unwrap().settlement(Ending::Unanswered);
    assert!(matches!(unanswered, Settlement::Used(actual) if actual.usage.of(TokenClass::Input) == input));
    let mut left = meter(&pass, 200, "text/event-stream");
    for word in ["one", " two", " three"] {
        let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": word } }] });
        left.data(format!("data: {chunk}\n\n").as_bytes());
    }
    let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Answered(&left)) else {
        panic!("what was produced is known");
    };
    assert!(!actual.is_reported());
    assert_eq!((actual.usage.of(TokenClass::Input), actual.usage.of(TokenClass::Output)), (input, 3));
}

#[test]
fn a_stream_of_gemini_as_an_array_is_a_stream_too() {
    let path = "/v1beta/models/gemini-flash:streamGenerateContent";
    let site =
        Site::new(&format!("[[route]]\npath = {path:?}\nmeter = \"gemini\"\nlimits = [\"1000 tokens/day\"]"));
    let body = json!({ "contents": [{ "parts": [{ "text": "hi" }] }], "generationConfig": { "maxOutputTokens": 99 } });
    let ask = Ask::post(path).header("content-type", "application/json").body(body.to_string());
    let pass = site.send(&ask).passed();
    let mut left = meter(&pass, 200, "application/json");
    left.data(br#"[{"candidates":[{"content":{"parts":[{"text":"one two"}]}}]}"#);
    assert_eq!(left.produced(), Some(2));
    assert!(left.ending("spent").unwrap().starts_with(b",\n{\"error\":"));
    let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Answered(&left)) else {
        panic!("what was produced is known");
    };
    assert_eq!(actual.usage.of(TokenClass::Output), 2);
}

#[test]
fn a_client_that_leaves_before_an_answer_in_one_piece_pays_what_it_has_reserved() {
    let site = site(&["1000 tokens/day"]);
    let pass = site.send(&chat(100)).passed();
    let reservation = pass.reservation().unwrap();
    assert_eq!(reservation.settlement(Ending::Unanswered), Settlement::Reserved);
    let mut broken = meter(&pass, 200, "application/json");
    broken.data(b"{\"choices\":[{\"message\":{\"content\":\"Once upon a ti");
    assert_eq!(reservation.settlement(Ending::Answered(&broken)), Settlement::Reserved);
}

#[test]
fn a_denial_says_what_the_request_may_use() {
    let site = site(&["100 tokens/day"]);
    let Reply::Rejected(_, response) = site.send(&chat(5000)) else { panic!("it can never pass") };
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("more than the whole limit"), "{message}");
    assert!(message.contains("input and 5000 output tokens"), "{message}");
    assert!(!response.headers().contains_key("retry-after"));
}

#[test]
fn a_denial_speaks_the_dialect_of_its_route() {
    let denied = |dialect: &str| {
        let site = with_meter(&format!("\"{dialect}\""), &["10 tokens/day"]);
        let large = json!({
            "messages": [{ "role": "user", "content": "hi" }],
            "max_tokens": 5000,
            "options": { "num_predict": 5000 },
            "generationConfig": { "maxOutputTokens": 5000 },
        });
        let Reply::Rejected(_, response) = site.send(&post(&large)) else { panic!("it can never pass") };
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, serde_json::from_slice::<Value>(response.body()).unwrap())
    };
    let (kind, body) = denied("anthropic");
    assert_eq!((kind.as_str(), &body["type"]), ("application/json", &json!("error")));
    assert_eq!(body["error"]["type"], "rate_limit_error");
    let (kind, body) = denied("gemini");
    assert_eq!(kind, "application/json");
    assert_eq!(
        (&body["error"]["code"], &body["error"]["status"]),
        (&json!(429), &json!("RESOURCE_EXHAUSTED"))
    );
    let (kind, body) = denied("ollama");
    assert_eq!(kind, "application/json");
    assert!(body["error"].as_str().unwrap().starts_with("Too Many Requests"));
    let (kind, body) = denied("openai");
    assert_eq!(
        (kind.as_str(), &body["error"]["code"]),
        ("application/problem+json", &json!("rate_limit_exceeded"))
    );
}

#[test]
fn a_request_without_a_body_uses_no_tokens() {
    let site = site(&["10 tokens/day", "10/day"]);
    let pass = site.send(&Ask::get("/")).passed();
    assert!(pass.reservation().is_none());
    assert_eq!(balances(&pass), [10, 9]);
}

#[test]
fn an_upload_of_sound_reserves_the_default_output() {
    let site = with_meter("{ tokens = \"openai\", default_output = 250 }", &["1000 tokens/day"]);
    let upload = Ask::post("/").header("content-type", "multipart/form-data; boundary=x").body("--x\r\n");
    assert_eq!(balances(&site.send(&upload).passed()), [750]);
}

#[test]
fn the_longest_wait_that_a_denial_tells_can_be_bounded() {
    let site =
        Site::new("[responses]\nretry_after_max = \"60s\"\n[[route]]\npath = \"/\"\nlimits = [\"1/day\"]");
    site.pass(1, &Ask::post("/"));
    let Reply::Rejected(_, response) = site.send(&Ask::post("/")) else { panic!("it is the second") };
    assert_eq!(response.headers()["retry-after"], "60");
    assert!(!response.headers().contains_key("x-should-retry"));
}

#[test]
fn the_policy_says_which_failures_give_tokens_back_and_none_gives_a_request_back() {
    for (refund, statuses) in [
        ("[\"4xx\", \"5xx\"]", [true, true, true, true]),
        ("[\"4xx\", 503]", [true, true, false, true]),
        ("[\"429\"]", [false, true, false, false]),
        ("[]", [false; 4]),
    ] {
        let table = format!("{{ tokens = \"openai\", refund = {refund} }}");
        for (status, is_refunded) in [400, 429, 500, 503].into_iter().zip(statuses) {
            let site = with_meter(&table, &["1000 tokens/day", "10/day"]);
            let pass = site.send(&chat(100)).passed();
            let reserved = 1000 - balances(&pass)[0];
            let meter = meter(&pass, status, "application/json");
            match pass.reservation().unwrap().settlement(Ending::Answered(&meter)) {
                Settlement::Used(actual) => now(pass.settle_tokens(&actual)).unwrap(),
                Settlement::Reserved => drop(pass),
            }
            let kept = if is_refunded { 0 } else { reserved };
            assert_eq!(
                balances(&site.send(&Ask::get("/")).passed()),
                [1000 - kept, 8],
                "{status} with {refund}"
            );
        }
    }
}

#[test]
fn a_failed_answer_that_reports_usage_is_charged_by_it_whatever_its_status() {
    for refund in ["[]", "[\"5xx\"]"] {
        let site = with_meter(&format!("{{ tokens = \"openai\", refund = {refund} }}"), &["1000 tokens/day"]);
        settle(site.send(&chat(100)).passed(), |pass| {
            let mut meter = meter(pass, 500, "application/json");
            meter.data(br#"{"error": {}, "usage": {"prompt_tokens": 12, "completion_tokens": 3}}"#);
            meter.complete();
            meter
        });
        assert_eq!(balances(&site.send(&Ask::get("/")).passed()), [985]);
    }
}

fn site(quotas: &[&str]) -> Site {
    with_meter("\"openai\"", quotas)
}

fn with_meter(meter: &str, quotas: &[&str]) -> Site {
    Site::new(&format!("[[route]]\npath = \"/\"\nmeter = {meter}\nlimits = {quotas:?}"))
}

/// A request for at most so many tokens.
fn chat(max_tokens: u64) -> Ask {
    post(&json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": max_tokens }))
}

fn post(body: &Value) -> Ask {
    Ask::post("/").header("content-type", "application/json").body(body.to_string())
}

fn balances(pass: &Pass<Store>) -> Vec<u64> {
    pass.balances().iter().map(|balance| balance.remaining).collect()
}

/// A whole answer in one piece.
fn answer(body: &Value) -> impl Fn(&Pass<Store>) -> ResponseMeter {
    move |pass| {
        let mut meter = meter(pass, 200, "application/json");
        meter.data(body.to_string().as_bytes());
        meter.complete();
        meter
    }
}

fn meter(pass: &Pass<Store>, status: u16, kind: &str) -> ResponseMeter {
    let head: response::Parts = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", kind)
        .body(())
        .unwrap()
        .into_parts()
        .0;
    pass.reservation().unwrap().response_meter(&head)
}

fn settle(pass: Pass<Store>, answered: impl Fn(&Pass<Store>) -> ResponseMeter) {
    let meter = answered(&pass);
    let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Answered(&meter)) else {
        panic!("what was used is known");
    };
    now(pass.settle_tokens(&actual)).unwrap();
}
