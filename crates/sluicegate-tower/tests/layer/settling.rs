//! Costs that the service settles.

use http::Response;
use sluicegate_tower::{CodeMeter, Cost, Limit, Permit, Quota, Unit};

use crate::site::{Asked, Site, empty, json, post, remaining};

/// 1000 items a day, of which each request says in a header how many it may need.
fn site() -> Site {
    Site::new(|builder| {
        builder.limit(Limit::new("items", Quota::per_day(1_000).of(Unit::Items))).cost_by(|head| {
            let items = head.headers.get("items").and_then(|items| items.to_str().ok()?.parse().ok());
            items.unwrap_or(1_u64)
        })
    })
}

fn served(site: &Site, items: u64, settle: impl Fn(&Permit) + Clone) -> u64 {
    let answer = site.ask_of(empty(post("/").header("items", items)), move |asked: Asked| {
        settle(asked.extensions().get().expect("the layer gives one"));
        Response::default()
    });
    assert_eq!(answer.status(), 200);
    drop(answer);
    // A request of no items peeks.
    remaining(&site.ask(empty(post("/").header("items", 0))))
}

#[test]
fn a_cost_that_is_not_settled_stays_as_it_was_estimated() {
    assert_eq!(served(&site(), 100, |_| {}), 900);
}

#[test]
fn less_is_given_back_and_more_is_a_debt() {
    let site = site();
    assert_eq!(served(&site, 100, |permit| permit.settle(40)), 960);
    assert_eq!(served(&site, 100, |permit| permit.settle(300)), 660);
    assert_eq!(served(&site, 600, |permit| permit.settle(700)), 0);
    assert_eq!(site.ask(empty(post("/"))).status(), 429, "the debt is paid first");
}

#[test]
fn the_last_of_several_settlements_counts() {
    let twice = |permit: &Permit| {
        permit.settle(900);
        permit.clone().settle(7);
    };
    assert_eq!(served(&site(), 100, twice), 993);
}

#[test]
fn costs_by_units_leave_those_of_other_units_alone() {
    let site = site();
    assert_eq!(served(&site, 100, |permit| permit.settle_units([(Unit::Items, Cost::new(1))])), 999);
    assert_eq!(served(&site, 100, |permit| permit.settle_units([(Unit::Bytes, Cost::new(1))])), 899);
    assert_eq!(served(&site, 100, |permit| permit.settle_tokens(Some(1), Some(1))), 799);
}

#[test]
fn a_batch_is_measured_in_its_body_and_settled_like_any_other_cost() {
    let site = Site::new(|builder| {
        let inputs = "/inputs".parse().expect("a pointer");
        builder
            .limit(Limit::new("items", Quota::per_day(1_000).of(Unit::Items)))
            .meter(CodeMeter::Items(inputs))
    });
    let batch = || json("/", r#"{"inputs":[1,2,3,4]}"#);
    assert_eq!(remaining(&site.ask(batch())), 996);
    let settle = |asked: Asked| {
        asked.extensions().get::<Permit>().expect("the layer gives one").settle(1);
        Response::default()
    };
    drop(site.ask_of(batch(), settle));
    assert_eq!(remaining(&site.ask(batch())), 991);
}
