//! Limits of tokens where the policy says where requests and answers tell them.

use http::{Response, response};
use serde_json::{Value, json};
use sluicegate_policy::{Ending, Pass, ResponseMeter, Settlement, TokenClass};

use crate::site::{Ask, Reply, Site, Store, now};

const METER: &str = r#"{ tokens = "json", prompt = ["/system", "/text_input"], max_output = ["/max_tokens", "/parameters/max_tokens"], choices = "/parameters/n", model = "/model", stream = "/stream", text = "/text_output", usage = { input = "/stats/in", output = "/stats/out", cached_input = "/stats/cached" }, default_output = 250 }"#;
const OUTPUT: &[&str] = &["1000 output_tokens/day"];

#[test]
fn a_request_reserves_the_largest_of_its_maxima_for_each_choice() {
    for (body, reserved) in [
        (json!({ "text_input": "hi", "max_tokens": 30 }), 30),
        (json!({ "text_input": "hi", "max_tokens": 30, "parameters": { "max_tokens": 40 } }), 40),
        (json!({ "text_input": "hi", "parameters": { "max_tokens": 40.5, "n": 3 } }), 3 * 41),
        (json!({ "text_input": ["hi", "ho"], "max_tokens": 40 }), 2 * 40),
        (json!({ "system": "be brief", "text_input": "hi", "max_tokens": 40 }), 40),
        (json!({ "text_input": [1, 2, 3], "max_tokens": 40, "parameters": null }), 40),
        // The request has no maximum, but may have more than the default.
        (json!({ "text_input": "hi" }), 250),
        (json!({ "text_input": "hi", "max_tokens": null }), 250),
        (json!({ "text_input": "hi", "max_tokens": 0 }), 250),
        (json!({ "text_input": "hi", "max_tokens": -1, "parameters": { "max_tokens": 700 } }), 700),
    ] {
        let site = site(OUTPUT);
        assert_eq!(balances(&site.send(&post(&body)).passed()), [1000 - reserved], "{body}");
    }
}

#[test]
fn the_input_is_the_text_of_all_its_pointers() {
    let input = |body: &Value| {
        let pass = site(&["100000 tokens/day"]).send(&post(body)).passed();
        pass.reservation().unwrap().estimate().input
    };
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let one = input(&json!({ "text_input": text, "notes": text }));
    assert!((190..260).contains(&one), "{one}");
    let both = input(&json!({ "text_input": text, "system": text }));
    assert!((2 * one - 4..=2 * one + 4).contains(&both), "{both} beside {one}");
    assert_eq!(input(&json!({ "text_input": [101, 2009, 102] })), 3);
    let messages = input(&json!({ "text_input": [{ "role": "user", "content": "hi" }] }));
    assert!((5..15).contains(&messages), "{messages}");
}

#[test]
fn what_cannot_be_metered_is_refused_and_costs_nothing() {
    let site = site(&["10000 tokens/day", "9/day"]);
    for (body, why) in [
        (
            r#"{"text_input": "hi", "max_tokens": "40"}"#,
            "`/max_tokens` must be a whole number; it is a string",
        ),
        (
            r#"{"text_input": "hi", "max_tokens": true}"#,
            "`/max_tokens` must be a whole number; it is a truth value",
        ),
        (
            r#"{"text_input": "hi", "parameters": {"max_tokens": [4]}}"#,
            "`/parameters/max_tokens` must be a whole number; it is an array",
        ),
        (
            r#"{"text_input": "hi", "parameters": {"n": {}}}"#,
            "`/parameters/n` must be a whole number; it is an object",
        ),
        (r#"{"text_input": "hi", "max_tokens": 1, "max_tokens": 900}"#, "`/max_tokens` is in the body twice"),
        (r#"{"text_input": "hi", "text_input": "ho"}"#, "`/text_input` is in the body twice"),
        (
            r#"{"text_input": "hi", "parameters": {}, "p\u0061rameters": {"n": 9}}"#,
            "`/parameters` is in the body twice",
        ),
        (r#"{"prompt": "hi"}"#, "`/system` is missing from the body"),
        (r#"["hi"]"#, "`/system` is missing from the body"),
        (
            r#"{"text_input": "hi""#,
            "the body is not valid JSON: EOF while parsing an object at line 1 column 19",
        ),
        (r#"{"text_input": "hi"} {}"#, "the body is not valid JSON: trailing characters at line 1 column 22"),
    ] {
        let Reply::Rejected(_, response) = site.send(&Ask::post("/").body(body)) else { panic!("{body}") };
        let told: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), told["detail"].as_str()), (400, Some(why)), "{body}");
    }
    assert_eq!(
        balances(&site.send(&Ask::get("/")).passed()),
        [10_000, 8],
        "a request without a body has no tokens"
    );
}

#[test]
fn what_was_used_takes_the_place_of_what_was_reserved() {
    let weighted =
        METER.replace("default_output", "weights = { cached_input = 0.5, output = 2 }, default_output");
    let site = with_meter(&weighted, &["10000 tokens/day", "10/day", "5 concurrent"]);
    let pass = site.send(&post(&json!({ "text_input": "hi", "max_tokens": 500 }))).passed();
    let input = pass.reservation().unwrap().estimate().input;
    assert_eq!(balances(&pass)[0], 10_000 - input - 2 * 500);
    let mut meter = meter(&pass, "application/json");
    meter.data(br#"{"text_output": "ho", "stats": {"in": 12, "cached": 4, "out": 30}}"#);
    meter.complete();
    settle(pass, &meter);
    assert_eq!(balances(&site.send(&Ask::get("/")).passed()), [10_000 - 8 - 2 - 60, 8, 4]);
}

#[test]
fn what_answers_without_a_maximum_use_is_learned_for_each_model() {
    let site = site(&["1000000 output_tokens/day"]);
    let reserved = |model: &str| {
        let pass = site.send(&post(&json!({ "model": model, "text_input": "hi" }))).passed();
        (pass.reservation().unwrap().reserved().output, pass)
    };
    for _ in 0..50 {
        let (_, pass) = reserved("small");
        let mut meter = meter(&pass, "application/json");
        meter.data(br#"{"stats": {"in": 2, "out": 40}}"#);
        meter.complete();
        settle(pass, &meter);
    }
    let (small, large) = (reserved("small").0, reserved("large").0);
    assert!((40..60).contains(&small) && large == 250, "{small} and {large}");
}

#[test]
fn a_client_that_leaves_a_stream_pays_the_input_and_what_was_produced() {
    let site = site(&["10000 tokens/day"]);
    let stream = post(&json!({ "text_input": "hi", "stream": true, "max_tokens": 500 }));
    for events in [0, 1, 5] {
        let pass = site.send(&stream).passed();
        let input = pass.reservation().unwrap().usage().of(TokenClass::Input);
        let mut meter = meter(&pass, "text/event-stream");
        for _ in 0..events {
            meter.data(b"data: {\"text_output\": \" word\"}\n\n");
        }
        assert_eq!(meter.produced(), Some(events));
        let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Answered(&meter))
        else {
            panic!("a stream tells what was made");
        };
        assert_eq!(
            (actual.usage.of(TokenClass::Input), actual.usage.of(TokenClass::Output)),
            (input, events)
        );
    }
    let pass = site.send(&stream).passed();
    let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Unanswered) else {
        panic!("a stream that has not begun has made nothing");
    };
    assert_eq!(actual.usage.of(TokenClass::Output), 0);
    let plain = site.send(&post(&json!({ "text_input": "hi", "max_tokens": 500 }))).passed();
    assert_eq!(plain.reservation().unwrap().settlement(Ending::Unanswered), Settlement::Reserved);
}

#[test]
fn a_stream_that_is_cut_ends_with_an_error_as_a_text() {
    let site = site(&["10000 tokens/day"]);
    let pass = site.send(&post(&json!({ "text_input": "hi" }))).passed();
    for (kind, ending) in [
        ("text/event-stream", Some("data: {\"error\":\"spent\"}\n\n")),
        ("application/x-ndjson", Some("{\"error\":\"spent\"}\n")),
        ("application/json", None),
    ] {
        assert_eq!(meter(&pass, kind).ending("spent").as_deref(), ending.map(str::as_bytes), "{kind}");
    }
}

#[test]
fn the_path_tells_of_streams_and_models_too() {
    let site = Site::new(&format!(
        "[[route]]\npath = \"/v2/models/{{model}}/generate_stream\"\nmeter = {METER}\nlimits = [\"10000 tokens/day\"]"
    ));
    let ask = Ask::post("/v2/models/gemma/generate_stream").body(r#"{"text_input": "hi"}"#);
    let pass = site.send(&ask).passed();
    let estimate = pass.reservation().unwrap().estimate();
    assert_eq!((estimate.streams, estimate.model.as_deref()), (true, Some("gemma")));
}

fn site(quotas: &[&str]) -> Site {
    with_meter(METER, quotas)
}

fn with_meter(meter: &str, quotas: &[&str]) -> Site {
    Site::new(&format!("[[route]]\npath = \"/\"\nmeter = {meter}\nlimits = {quotas:?}"))
}

fn post(body: &Value) -> Ask {
    Ask::post("/").header("content-type", "application/json").body(body.to_string())
}

fn balances(pass: &Pass<Store>) -> Vec<u64> {
    pass.balances().iter().map(|balance| balance.remaining).collect()
}

fn meter(pass: &Pass<Store>, kind: &str) -> ResponseMeter {
    let head: response::Parts =
        Response::builder().header("content-type", kind).body(()).unwrap().into_parts().0;
    pass.reservation().unwrap().response_meter(&head)
}

fn settle(pass: Pass<Store>, meter: &ResponseMeter) {
    let Settlement::Used(actual) = pass.reservation().unwrap().settlement(Ending::Answered(meter)) else {
        panic!("what was used is known");
    };
    now(pass.settle_tokens(&actual)).unwrap();
}
