//! Usage that an application tells itself.

use bytes::Bytes;
use http::HeaderValue;
use sluicegate::{Cost, Unit};
use sluicegate_http::{InFlight, Told};

use crate::site::{Site, post};

#[test]
fn a_cost_replaces_what_the_meter_found() {
    let site = Site::new(ITEMS);
    settle(&site, r#"{"n":30}"#, Some(Told::Cost(Cost::new(20))));
    assert_eq!(remaining(&site), 80);
    settle(&site, r#"{"n":30}"#, Some(Told::Units(vec![(Unit::Items, Cost::new(50))])));
    assert_eq!(remaining(&site), 30);
}

#[test]
fn costs_of_other_units_stay_as_they_are() {
    let site = Site::new(ITEMS);
    settle(&site, r#"{"n":30}"#, Some(Told::Units(vec![(Unit::Tokens, Cost::new(1))])));
    settle(&site, r#"{"n":30}"#, Some(Told::Tokens { input: Some(1), output: Some(1) }));
    assert_eq!(remaining(&site), 40);
}

#[test]
fn a_cost_is_tokens_where_the_route_meters_them() {
    let site = Site::new(TOKENS);
    settle(&site, CHAT, Some(Told::Cost(Cost::new(7))));
    assert_eq!(remaining(&site), 993);
    assert!(!site.tells("sluicegate_charged_tokens_total{route=\"/\"} 7"), "a cost has no classes");
}

#[test]
fn tokens_that_are_left_out_stay_as_they_were_reserved() {
    let site = Site::new(TOKENS);
    settle(&site, CHAT, Some(Told::Tokens { input: Some(3), output: None }));
    assert_eq!(remaining(&site), 1_000 - 3 - 500);
    assert!(site.tells("sluicegate_charged_tokens_total{route=\"/\"} 503"));
}

#[test]
fn usage_has_tokens_where_they_are_metered_and_the_costs_of_other_units() {
    let site = Site::new(BOTH);
    let told = |input, output, units: &[(Unit, u64)]| {
        let units = units.iter().map(|(unit, cost)| (*unit, Cost::new(*cost))).collect();
        settle(&site, CHAT, Some(Told::Usage { input, output, units }));
    };
    told(Some(3), Some(4), &[(Unit::Requests, 0), (Unit::Tokens, 999)]);
    assert_eq!(balances(&site), [100, 1_000 - 7]);
    told(None, None, &[(Unit::Tokens, 13)]);
    assert_eq!(balances(&site), [99, 1_000 - 20]);
    assert!(site.tells("sluicegate_charged_tokens_total{route=\"/\"} 7"));
}

#[test]
fn a_request_that_never_ran_is_given_back_all_that_it_was_charged() {
    for policy in [ITEMS, TOKENS, BOTH] {
        let site = Site::new(policy);
        let (whole, body) = (balances(&site), if policy == ITEMS { r#"{"n":30}"# } else { CHAT });
        let mut request = admitted(&site, body);
        assert_ne!(balances(&site), whole);
        request
            .settle(&site.admission, Some(Told::Unserved), |_| panic!("memory never waits"))
            .expect("memory never fails");
        assert_eq!(balances(&site), whole);
    }
}

#[test]
fn settling_twice_changes_nothing() {
    let site = Site::new(ITEMS);
    let mut request = admitted(&site, r#"{"n":30}"#);
    for cost in [20, 90] {
        let told = Some(Told::Cost(Cost::new(cost)));
        request.settle(&site.admission, told, |_| panic!("memory never waits")).expect("memory never fails");
    }
    assert_eq!(remaining(&site), 80);
}

fn settle(site: &Site, body: &str, told: Option<Told>) {
    let mut request = admitted(site, body);
    request.settle(&site.admission, told, |_| panic!("memory never waits")).expect("memory never fails");
}

fn admitted(site: &Site, body: &str) -> InFlight<crate::site::Store> {
    let mut head = post("/");
    head.headers.insert("content-length", HeaderValue::from(body.len()));
    let body = Bytes::copy_from_slice(body.as_bytes());
    let admitted = site.send(&head, |reading| reading.take(body).and_then(|_| reading.end()));
    InFlight::new(admitted.expect("the limit is not spent"))
}

fn remaining(site: &Site) -> u64 {
    balances(site)[0]
}

fn balances(site: &Site) -> Vec<u64> {
    let gate = site.admission.gate();
    let accounts = gate.accounts("client_ip=127.0.0.1", None);
    let balances = pollster::block_on(gate.balances(&accounts)).expect("memory answers");
    balances.iter().map(|balance| balance.remaining).collect()
}

const ITEMS: &str = r#"
[[route]]
path = "/"
meter = { items = "/n" }
limits = [{ name = "items", quota = "100 items/day" }]
"#;

const TOKENS: &str = r#"
[[route]]
path = "/"
meter = "openai"
limits = [{ name = "tpm", quota = "1000 tokens/day" }]
"#;

const BOTH: &str = r#"
[[route]]
path = "/"
meter = "openai"
limits = [{ name = "rpd", quota = "100/day" }, { name = "tpm", quota = "1000 tokens/day" }]
"#;

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":500}"#;
