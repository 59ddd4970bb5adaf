//! The way of a request to its outcome, and the counters of it.

use std::time::Duration;

use bytes::Bytes;
use sluicegate_policy::{Reading, Refusal, Rejection};

use crate::site::{Site, post};

const ITEMS: &str = "[[route]]\npath = \"/items\"\nmeter = { items = \"/inputs\" }\n\
                     limits = [{ name = \"items\", quota = \"3 items/minute\" }]\n\
                     [[route]]\npath = \"/plain\"\nlimits = [{ name = \"plain\", quota = \"1/minute\" }]";

#[test]
fn the_time_that_a_client_takes_to_send_its_body_is_none_of_the_decisions() {
    let site = Site::new(ITEMS);
    let admitted = site.send(&post("/items"), |reading| {
        site.clock.advance(Duration::from_secs(50));
        reading.take(Bytes::from_static(b"{\"inputs\": 2}"))?;
        reading.end()
    });
    assert!(admitted.is_ok());
    assert!(site.tells("sluicegate_decision_duration_seconds_count 1"));
    assert!(site.tells("sluicegate_decision_duration_seconds_sum 0.0"));
}

#[test]
fn a_body_that_no_meter_needs_is_left_alone() {
    let site = Site::new(ITEMS);
    let admitted = site.send(&post("/plain"), |_| panic!("it is not to be read"));
    assert!(admitted.is_ok());
}

#[test]
fn every_outcome_is_counted_once() {
    let site = Site::new(ITEMS);
    let all = |reading: &mut Reading| {
        reading.take(Bytes::from_static(b"{\"inputs\": 2}"))?;
        reading.end()
    };
    assert!(site.send(&post("/items"), all).is_ok());
    let denied = site.send(&post("/items"), all).expect_err("three items a minute");
    let Rejection::Denied(denied) = denied else { panic!("{denied:?}") };
    assert_eq!((denied.cost().units(), denied.balance().remaining, denied.retry_after()), (2, 1, Some(20)));
    let refused = site.send(&post("/items"), |_| Err(Refusal::ClientStalled));
    assert_eq!(refused.expect_err("it stalls").code(), "request_timeout");
    let refused = site.send(&post("/items"), Reading::end);
    assert_eq!(refused.expect_err("it is empty").code(), "invalid_body");
    assert_eq!(site.admission.refuse(Refusal::TargetTooLong).code(), "target_too_long");
    for line in [
        "sluicegate_requests_total{route=\"/items\",tier=\"default\",decision=\"allow\"} 1",
        "sluicegate_requests_total{route=\"/items\",tier=\"default\",decision=\"deny\"} 1",
        "sluicegate_requests_total{route=\"/items\",tier=\"default\",decision=\"refuse\"} 2",
        "sluicegate_requests_total{route=\"unmatched\",tier=\"default\",decision=\"refuse\"} 1",
        "sluicegate_decisions_total{limit=\"items\",decision=\"deny\"} 1",
    ] {
        assert!(site.tells(line), "{line}");
    }
}

#[test]
fn a_clock_that_goes_on_is_told_since_the_decision() {
    let site = Site::new(ITEMS);
    let admitted = site.send(&post("/plain"), |_| Ok(())).expect("one a minute");
    site.clock.advance(Duration::from_secs(7));
    assert_eq!(site.admission.since(admitted.decided), Duration::from_secs(7));
}
