//! A store that does not answer.

use http::Request;
use sluicegate::{Charge, Cost, Decision, Lease, ManualClock, Store, StoreError, Taken};
use sluicegate_policy::{Gate, Policy, Source};

use crate::site::now;

#[test]
fn a_limited_request_is_503_with_one_second_to_wait() {
    let gate = gate("[\"10/minute\"]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let answer = now(gate.decide(visit, None)).unwrap_err();
    assert_eq!(answer.response.status(), 503);
    assert_eq!(answer.response.headers()["retry-after"], "1");
    assert_eq!(answer.store_error.unwrap().to_string(), "cache:6379 does not answer", "for the log");
    assert!(!String::from_utf8_lossy(answer.response.body()).contains("cache:6379"), "not for the client");
}

#[test]
fn a_route_without_limits_does_not_notice() {
    let gate = gate("[]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    assert!(now(gate.decide(visit, None)).is_ok());
}

#[test]
fn a_shadow_limit_denies_nothing_even_then() {
    let gate = gate("[{ quota = \"1/minute\", mode = \"shadow\" }]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let pass = now(gate.decide(visit, None)).unwrap();
    assert!(pass.denied_in_shadow().is_empty());
}

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Store for Silent {
    async fn take(&self, _: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    async fn settle(&self, _: &[Charge], _: Lease, _: &[Cost]) -> Result<(), StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    async fn reset(&self, _: &[Charge]) -> Result<(), StoreError> {
        Err(StoreError::new("cache:6379 does not answer"))
    }

    fn release(&self, _: &[Charge], _: Lease) {}
}

fn gate(limits: &str) -> Gate<Silent> {
    let text = format!("[[route]]\npath = \"/\"\nlimits = {limits}");
    let policy = Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap()).unwrap();
    Gate::new(policy, Silent, ManualClock::new())
}
