//! The state, from two scrapes.

use super::{Gateway, key};
use crate::{model::Model, snapshot::Keys};

#[test]
fn rates_are_over_all_tiers_and_per_second() {
    let model = Gateway::busy().model();
    assert_eq!((model.allowed, model.denied, model.refused), (Some(88.5), Some(10.0), Some(2.0)));
    assert_eq!((model.requests, model.in_flight, model.connections), (366.0, 13.0, 7.0));
    let predict = model.routes.iter().find(|route| route.name == "/predict").unwrap();
    assert_eq!((predict.requests, predict.denied, predict.failed), (Some(100.0), Some(10.0), Some(0.5)));
    let burst = model.limits.iter().find(|limit| limit.name == "burst").unwrap();
    assert_eq!((burst.denied, burst.shadow, burst.total), (Some(0.0), Some(3.0), 400.0));
}

#[test]
fn durations_are_of_the_last_interval() {
    let model = Gateway::busy().model();
    let predict = model.routes.iter().find(|route| route.name == "/predict").unwrap();
    let (p50, p99) = (predict.upstream.p50.unwrap(), predict.upstream.p99.unwrap());
    assert!(p50 < 0.1 && p99 > 0.1 && p99 < 0.25, "{p50} {p99}");
    let unmatched = model.routes.iter().find(|route| route.name == "unmatched").unwrap();
    assert_eq!(unmatched.upstream.p50, None);
}

#[test]
fn before_the_second_scrape_there_are_totals_and_no_rates() {
    let model = Model::of(None, &Gateway::busy().now);
    assert_eq!((model.allowed, model.requests), (None, 366.0));
    assert_eq!(model.keys.unwrap()[0].denied, None);
}

#[test]
fn after_a_restart_rates_are_those_of_the_new_process() {
    let gateway = Gateway::telling(
        "sluicegate_requests_total{route=\"/a\",decision=\"allow\"} 1000000\n",
        "sluicegate_requests_total{route=\"/a\",decision=\"allow\"} 8\n",
    );
    assert_eq!(gateway.model().allowed, Some(4.0));
}

#[test]
fn a_key_that_was_not_listed_before_has_all_its_denials_since_then() {
    let mut gateway = Gateway::busy();
    gateway.now.keys = Keys::Known(vec![key("predict", "a11ce", 30), key("other", "a11ce", 4)]);
    let denied = |key: crate::model::Key| key.denied;
    let denied: Vec<_> = gateway.model().keys.unwrap().into_iter().map(denied).collect();
    assert_eq!(denied, [Some(10.0), Some(2.0)]);
}

#[test]
fn keys_that_are_hidden_say_why() {
    let mut gateway = Gateway::busy();
    gateway.now.keys = Keys::Hidden("they require a token".to_owned());
    assert_eq!(gateway.model().keys, Err("they require a token".to_owned()));
}

#[test]
fn a_server_of_the_store_that_is_down_is_named() {
    let gateway = Gateway::telling(
        "",
        "sluicegate_store_up 0\nsluicegate_store_server_up{server=\"redis-1:6379\"} 0\n\
         sluicegate_store_server_up{server=\"redis-2:6379\"} 1\n",
    );
    let store = gateway.model().store;
    assert_eq!((store.is_up, store.silent), (false, vec!["redis-1:6379".to_owned()]));
}
