//! Limits in shadow mode: they decide and record, and never deny.

use crate::site::{Ask, Site};

#[test]
fn a_shadow_limit_records_what_it_would_deny_and_denies_nothing() {
    let site = site();
    for request in 1..=5 {
        let passed = site.send(&Ask::post("/")).passed();
        let names = passed.denied_in_shadow().iter().map(|id| site.gate.policy().limit(*id).name());
        let expected: &[&str] = if request > 2 { &["stricter"] } else { &[] };
        assert_eq!(names.collect::<Vec<_>>(), expected, "request {request}");
        assert_eq!(passed.limits().len(), 1);
    }
    assert_eq!(site.send(&Ask::post("/")).status(), 429);
}

#[test]
fn clients_are_not_told_of_shadow_limits() {
    let reply = site().send(&Ask::post("/"));
    assert_eq!(reply.header("ratelimit").as_deref(), Some("\"real\";r=4;t=48"));
    assert_eq!(reply.header("ratelimit-policy").as_deref(), Some("\"real\";q=5;w=60"));
}

#[test]
fn a_denied_request_charges_no_shadow_limit() {
    let site = Site::with_limits(
        r#"[{ name = "real", quota = "1/minute" }, { name = "shade", quota = "2/hour", mode = "shadow" }]"#,
    );
    site.pass(1, &Ask::post("/"));
    for _ in 0..5 {
        assert_eq!(site.send(&Ask::post("/")).status(), 429);
    }
    site.wait(60);
    assert!(site.send(&Ask::post("/")).passed().denied_in_shadow().is_empty());
    site.wait(60);
    assert_eq!(site.send(&Ask::post("/")).passed().denied_in_shadow().len(), 1);
}

#[test]
fn a_route_of_shadow_limits_alone_says_nothing() {
    let site = Site::with_limits(r#"[{ name = "shade", quota = "1/minute", mode = "shadow" }]"#);
    assert!(site.send(&Ask::post("/")).headers().is_empty());
    assert_eq!(site.send(&Ask::post("/")).passed().denied_in_shadow().len(), 1);
}

#[test]
fn a_shadow_limits_slots_are_held_as_long_as_any() {
    let site = Site::with_limits(r#"[{ name = "slots", quota = "1 concurrent", mode = "shadow" }]"#);
    let first = site.send(&Ask::post("/")).passed();
    assert_eq!(site.send(&Ask::post("/")).passed().denied_in_shadow().len(), 1);
    drop(first);
    assert!(site.send(&Ask::post("/")).passed().denied_in_shadow().is_empty());
}

fn site() -> Site {
    Site::with_limits(
        r#"[{ name = "real", quota = "5/minute" }, { name = "stricter", quota = "2/minute", mode = "shadow" }]"#,
    )
}
