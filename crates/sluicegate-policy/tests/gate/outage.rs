//! A store that does not answer.

use http::Request;
use sluicegate::{Charge, Cost, Decision, Lease, ManualClock, Store, StoreError, Taken};
use sluicegate_policy::{Gate, Policy, Rejection, Renderer, RequestId, Source};

use crate::site::now;

#[test]
fn a_limited_request_is_503_with_one_second_to_wait() {
    let gate = gate("[\"10/minute\"]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let rejection = now(gate.decide(&visit, None)).into_result().unwrap_err();
    let response = Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::new());
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!String::from_utf8_lossy(response.body()).contains("cache:6379"), "not for the client");
    let Rejection::Refused(refused) = rejection else { panic!("{rejection:?}") };
    assert_eq!(refused.store_error.unwrap().to_string(), "cache:6379 does not answer", "for the log");
}

#[test]
fn a_route_without_limits_does_not_notice() {
    let gate = gate("[]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    assert!(now(gate.decide(&visit, None)).is_admitted());
}

#[test]
fn a_shadow_limit_denies_nothing_even_then() {
    let gate = gate("[{ quota = \"1/minute\", mode = \"shadow\" }]");
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let visit = now(gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    let pass = now(gate.decide(&visit, None)).into_result().unwrap();
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
