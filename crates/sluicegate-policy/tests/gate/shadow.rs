//! Limits in shadow mode: they decide and record, and never deny.

use std::time::Duration;

use sluicegate::Timestamp;
use sluicegate_policy::{Judgement, Rejection};

use crate::site::{Ask, Reply, Site};

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

#[test]
fn a_pass_has_the_judgement_of_every_limit_and_a_denial_that_of_the_enforced_ones() {
    let site = site();
    site.wait(7);
    let judged = |judgements: &mut dyn Iterator<Item = Judgement<'_>>| -> Vec<_> {
        let name = |it: &Judgement<'_>| site.gate.policy().limit(it.limit).name().to_owned();
        judgements.map(|it| (name(&it), it.balance.remaining, it.balance.wait.fits())).collect()
    };
    for remaining in (0..5).rev() {
        let passed = site.send(&Ask::post("/")).passed();
        assert_eq!(passed.decided_at(), Some(Timestamp::EPOCH + Duration::from_secs(7)));
        assert!(passed.judgements().all(|it| Some(it.at) == passed.decided_at()));
        let in_shadow = ("stricter".to_owned(), u64::saturating_sub(remaining, 3), remaining >= 3);
        assert_eq!(judged(&mut passed.judgements()), [("real".to_owned(), remaining, true), in_shadow]);
    }
    let Reply::Rejected(Rejection::Denied(denied), _) = site.send(&Ask::post("/")) else {
        panic!("it is spent")
    };
    assert_eq!(judged(&mut denied.judgements()), [("real".to_owned(), 0, false)]);
}

fn site() -> Site {
    Site::with_limits(
        r#"[{ name = "real", quota = "5/minute" }, { name = "stricter", quota = "2/minute", mode = "shadow" }]"#,
    )
}
