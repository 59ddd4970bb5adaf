//! Input that the upstream counts before a request is decided.

use std::iter::once;

use http::{Request, Response};
use serde_json::{Value, json};
use sluicegate_policy::{Actual, Ending, Outcome, Pass, Settlement, TokenClass, Usage};

use crate::site::{Site, Store, now, read};

#[test]
fn the_count_takes_the_place_of_the_estimate() {
    let site = site(&["1000 tokens/day", "1000 input_tokens/day", "1000 output_tokens/day"]);
    let (is_asked, outcome) = send(&site, &chat(100), Some(321));
    let pass = passed(outcome);
    assert!(is_asked);
    assert_eq!(pass.reservation().unwrap().usage().of(TokenClass::Input), 321);
    assert_eq!(balances(&pass), [1000 - 421, 1000 - 321, 900]);
}

#[test]
fn without_a_count_the_estimate_stays() {
    let site = site(&["1000 input_tokens/day"]);
    let (is_asked, outcome) = send(&site, &chat(100), None);
    assert!(is_asked);
    assert_eq!(balances(&passed(outcome)), [992]);
}

#[test]
fn a_count_is_too_much_for_a_limit_as_any_input_is() {
    let site = site(&["1000 tokens/day", "9/day"]);
    let (is_asked, outcome) = send(&site, &chat(100), Some(901));
    assert!(is_asked && !outcome.is_admitted());
    assert_eq!(balances(&passed(send(&site, &chat(1), Some(1)).1)), [998, 8], "nothing was charged");
}

#[test]
fn a_request_that_a_limit_denies_anyway_is_not_counted() {
    for (limits, first, second) in [
        (&["1000 tokens/day", "1/day"][..], 1, 1),
        (&["1000 tokens/day", "1 concurrent"], 1, 1),
        // Its output alone is more than what is left.
        (&["1000 tokens/day"], 600, 600),
        (&["1000 tokens/day", "650 output_tokens/day"], 600, 51),
        // Not half of its input fits.
        (&["1000 input_tokens/day"], 1, 1),
    ] {
        let site = site(limits);
        let input = if limits == ["1000 input_tokens/day"] { 1000 } else { 5 };
        let held = send(&site, &chat(first), Some(input));
        assert!(held.0 && held.1.is_admitted(), "{limits:?}");
        let (is_asked, outcome) = send(&site, &chat(second), Some(5));
        assert!(!is_asked && !outcome.is_admitted(), "{limits:?}");
    }
}

#[test]
fn looking_whether_a_limit_is_spent_charges_nothing() {
    let site = site(&["1000 tokens/day", "9/day", "2 concurrent"]);
    for _ in 0..20 {
        assert!(is_asked(&site, &chat(1)), "it asks and is decided no further");
    }
    assert_eq!(balances(&passed(send(&site, &chat(100), Some(50)).1)), [850, 8, 1]);
}

#[test]
fn nothing_is_counted_that_no_limit_reserves() {
    for limits in [
        "['9/day']",
        "['1000 output_tokens/day']",
        "[{ quota = '1000 tokens/day', reserve = 'off' }]",
        "[{ quota = '1000 input_tokens/day', reserve = 'off' }, '9 concurrent']",
    ] {
        let site = Site::new(&policy(limits));
        let (is_asked, outcome) = send(&site, &chat(1), Some(5));
        assert!(!is_asked && outcome.is_admitted(), "{limits}");
    }
    for limits in [
        "[{ quota = '1000 tokens/day', reserve = 'input' }]",
        "[{ quota = '1000 tokens/day', mode = 'shadow' }]",
    ] {
        assert!(is_asked(&Site::new(&policy(limits)), &chat(1)), "{limits}");
    }
}

#[test]
fn a_request_that_no_server_counts_keeps_its_estimate() {
    let site = site(&["100000 tokens/day"]);
    let picture = json!({ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } });
    let sound = json!({ "type": "input_audio", "input_audio": { "data": "UklGRg", "format": "wav" } });
    for content in [json!([picture]), json!([sound]), json!([{ "type": "text", "text": "hi" }, picture])] {
        let body =
            json!({ "messages": [{ "role": "user", "content": content }], "max_tokens": 1 }).to_string();
        let (is_asked, outcome) = send(&site, &body, Some(5));
        assert!(!is_asked && outcome.is_admitted(), "{body}");
    }
    for body in ["{\"messages\": ", "[]", "{\"messages\": [], \"max_tokens\": \"1\"}"] {
        let (is_asked, outcome) = send(&site, body, Some(5));
        assert!(!is_asked && !outcome.is_admitted(), "{body} is refused as ever");
    }
}

#[test]
fn what_was_learned_corrects_estimates_and_no_counts() {
    let site = site(&["1000000 tokens/day"]);
    let long = json!({ "model": "m", "messages": [{ "role": "user", "content": "word ".repeat(400) }], "max_tokens": 1 })
        .to_string();
    let input = |tokens| {
        let pass = passed(send(&site, &long, tokens).1);
        let input = pass.reservation().unwrap().usage().of(TokenClass::Input);
        now(pass.settle_tokens(&Actual::told(Usage::default()))).unwrap();
        input
    };
    let estimate = input(None);
    // Its server counts half as much again as the estimate, and reports just that.
    let counted = estimate + estimate / 2;
    for _ in 0..40 {
        let pass = passed(send(&site, &long, Some(counted)).1);
        let Settlement::Used(actual) = answer(&pass, counted) else { panic!("it reports its usage") };
        now(pass.settle_tokens(&actual)).unwrap();
    }
    assert_eq!(input(Some(counted)), counted, "a count is not corrected");
    let corrected = input(None);
    assert!(corrected.abs_diff(counted) < counted / 50, "{corrected} and {counted}: the ratio was learned");
}

/// One route with these limits, whose upstream counts.
fn site(quotas: &[&str]) -> Site {
    Site::new(&policy(&format!("{quotas:?}")))
}

fn policy(limits: &str) -> String {
    format!(
        "[[route]]\npath = '/v1/chat/completions'\nmeter = {{ tokens = 'openai', count = 'upstream' }}\nlimits = {limits}"
    )
}

fn chat(max_tokens: u64) -> String {
    json!({ "messages": [{ "role": "user", "content": "hi" }], "max_tokens": max_tokens }).to_string()
}

/// Sends a request whose upstream counts these tokens, if any. Returns `true` if it was asked.
fn send(site: &Site, body: &str, tokens: Option<u64>) -> (bool, Outcome<Store>) {
    let (head, ()) = Request::post("/v1/chat/completions").body(()).unwrap().into_parts();
    let mut visit = now(site.gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let reading = visit.take_reading().map(|reading| read(*reading, once(body.as_bytes())).unwrap());
    let asking = now(site.gate.counting(&mut visit, reading.as_ref()));
    if let Some(tokens) = tokens.filter(|_| asking.is_some()) {
        visit.counted(tokens);
    }
    (asking.is_some(), now(site.gate.decide(&visit, reading.as_ref())))
}

/// Only asks for a count.
fn is_asked(site: &Site, body: &str) -> bool {
    let (head, ()) = Request::post("/v1/chat/completions").body(()).unwrap().into_parts();
    let mut visit = now(site.gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let reading = visit.take_reading().map(|reading| read(*reading, once(body.as_bytes())).unwrap());
    now(site.gate.counting(&mut visit, reading.as_ref())).is_some()
}

fn passed(outcome: Outcome<Store>) -> Pass<Store> {
    match outcome {
        Outcome::Admitted(pass) => *pass,
        Outcome::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

/// The server reports this input at the end of its answer.
fn answer(pass: &Pass<Store>, input: u64) -> Settlement {
    let reservation = pass.reservation().unwrap();
    let (head, ()) =
        Response::builder().header("content-type", "application/json").body(()).unwrap().into_parts();
    let mut meter = reservation.response_meter(&head);
    let usage: Value = json!({ "usage": { "prompt_tokens": input, "completion_tokens": 1 } });
    meter.data(usage.to_string().as_bytes());
    meter.complete();
    reservation.settlement(Ending::Answered(&meter))
}

fn balances(pass: &Pass<Store>) -> Vec<u64> {
    pass.balances().iter().map(|balance| balance.remaining).collect()
}
