//! Tiers: each caller has its own tier's limits, and nobody else's.

use crate::site::{Ask, Site};

#[test]
fn a_premium_caller_has_five_times_the_limit() {
    let site = site("");
    site.pass(20, &free());
    assert_eq!(site.send(&free()).status(), 429);
    site.pass(100, &premium());
    assert_eq!(site.send(&premium()).status(), 429);
}

/// The defect of limiters that change one shared limit when a premium caller comes.
#[test]
fn premium_calls_never_change_what_a_free_caller_gets() {
    let site = site("");
    site.pass(50, &premium());
    for _ in 0..20 {
        site.pass(1, &free());
        site.pass(1, &premium());
    }
    assert_eq!(site.send(&free()).status(), 429, "premium calls raised the free limit");
    site.pass(30, &premium());
    assert_eq!(site.send(&premium()).status(), 429);
    assert_eq!(site.send(&free()).status(), 429);
}

#[test]
fn each_tier_is_told_its_own_policy() {
    let site = site("");
    let policy = |ask: &Ask| site.send(ask).header("ratelimit-policy");
    assert_eq!(policy(&free()).as_deref(), Some("\"tiered_predict_20_per_minute\";q=20;w=60"));
    assert_eq!(policy(&premium()).as_deref(), Some("\"tiered_predict_20_per_minute\";q=100;w=60"));
}

#[test]
fn a_tier_that_does_not_exist_is_the_default_tier() {
    let site = site("");
    site.pass(20, &Ask::post("/tiered/predict").header("x-user-tier", "platinum"));
    assert_eq!(site.send(&free()).status(), 429);
}

#[test]
fn only_a_trusted_proxy_gives_tiers_where_the_policy_names_any() {
    let site = site("[gateway]\ntrusted_proxies = [\"10.0.0.0/8\"]");
    site.pass(20, &premium());
    assert_eq!(site.send(&premium()).status(), 429, "the client gave itself a tier");
    let proxied = premium().from("10.0.0.7").header("x-forwarded-for", "192.0.2.1");
    site.pass(100, &proxied);
    assert_eq!(site.send(&proxied).status(), 429);
}

fn free() -> Ask {
    Ask::post("/tiered/predict")
}

fn premium() -> Ask {
    free().header("x-user-tier", "premium")
}

fn site(gateway: &str) -> Site {
    Site::new(&format!(
        r#"
        {gateway}
        [identity]
        tier         = "header:x-user-tier"
        default_tier = "free"
        [tiers.free]
        [tiers.premium]
        scale = 5
        [[route]]
        path   = "/tiered/predict"
        limits = ["20/minute"]
        "#
    ))
}
