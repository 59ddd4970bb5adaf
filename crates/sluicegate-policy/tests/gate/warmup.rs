//! Smaller limits while the upstream warms up.

use crate::site::{Ask, Site};

#[test]
fn a_cold_upstream_gets_a_fifth_and_a_warm_one_everything() {
    let site = site("10/minute");
    site.pass(2, &Ask::post("/"));
    let denied = site.send(&Ask::post("/"));
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(30)));
    assert_eq!(denied.header("ratelimit-policy").as_deref(), Some("\"limited\";q=2;w=60"));

    site.gate.upstream_is_ready();
    site.wait(60);
    site.pass(10, &Ask::post("/"));
    let denied = site.send(&Ask::post("/"));
    assert_eq!(denied.status(), 429);
    assert_eq!(denied.header("ratelimit-policy").as_deref(), Some("\"limited\";q=10;w=60"));
}

#[test]
fn at_least_one_request_passes_however_small_the_scale() {
    let site = site("3/minute");
    site.pass(1, &Ask::post("/"));
    assert_eq!(site.send(&Ask::post("/")).status(), 429);
}

/// W1: a limit that grows under an account hands out nothing that was withheld before.
#[test]
fn the_ramp_never_lets_a_burst_through() {
    let site = site("60/minute");
    site.pass(12, &Ask::post("/"));
    assert_eq!(site.send(&Ask::post("/")).status(), 429);
    site.gate.upstream_is_ready();
    // Full speed is one a second, so that is the most in any second of the ramp, beside what it starts with.
    let mut passed = 0;
    for second in 1..=30 {
        site.wait(1);
        let mut burst = 0;
        while site.send(&Ask::post("/")).status() == 200 {
            burst += 1;
        }
        passed += burst;
        assert!(burst <= 1, "{burst} at once, {second} s into the ramp");
    }
    assert!((15..=30).contains(&passed), "{passed} in the ramp");
}

#[test]
fn only_the_first_success_begins_the_ramp() {
    let site = site("10/minute");
    site.gate.upstream_is_ready();
    site.wait(29);
    site.gate.upstream_is_ready();
    site.wait(1);
    site.pass(10, &Ask::post("/"));
}

/// H11, through the ramp.
#[test]
fn the_wait_told_while_cold_is_true_while_warm() {
    let site = site("10/minute");
    site.pass(2, &Ask::post("/"));
    let wait = site.send(&Ask::post("/")).retry_after().unwrap();
    site.gate.upstream_is_ready();
    site.wait(wait);
    assert_eq!(site.send(&Ask::post("/")).status(), 200);
}

fn site(quota: &str) -> Site {
    Site::new(&format!(
        r#"
        [warmup]
        scale = 0.2
        ready = "/health"
        ramp  = "30s"
        [[route]]
        path   = "/"
        limits = [{{ name = "limited", quota = "{quota}" }}]
        "#
    ))
}
