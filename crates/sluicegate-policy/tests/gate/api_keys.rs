//! API keys at the gate: whom they make a caller, and how guessing is limited.

use std::path::Path;

use sluicegate_policy::{ApiKeys, KeyFile, Secret, UtcTime};

use crate::site::{Ask, Site};

#[test]
fn a_key_says_tenant_and_tier_in_either_header() {
    let (site, free, premium) = keyed();
    site.pass(2, &Ask::post("/").header("x-api-key", free.as_str()));
    site.pass(2, &bearer(&free));
    assert_eq!(site.send(&bearer(&free)).status(), 429, "both headers are one caller");
    site.pass(8, &bearer(&premium));
    assert_eq!(site.send(&bearer(&premium).from("192.0.2.9")).status(), 429, "it is the key that counts");
}

#[test]
fn the_scheme_is_read_in_any_case_and_other_schemes_are_not_keys() {
    let (site, free, _) = keyed();
    let lower = Ask::post("/").header("authorization", &format!("bearer {}", free.as_str()));
    site.pass(4, &lower);
    assert_eq!(site.send(&lower).status(), 429);
    assert_eq!(site.send(&Ask::post("/").header("authorization", "Basic dTpw")).status(), 200);
}

#[test]
fn a_route_for_a_tier_takes_its_keys_and_no_others() {
    let (site, free, premium) = keyed();
    let at = |secret: &Secret| Ask::post("/premium").header("x-api-key", secret.as_str());
    assert_eq!(site.send(&at(&premium)).status(), 200);
    let refused = site.send(&at(&free));
    assert_eq!((refused.status(), refused.detail().as_str()), (403, "Premium access required"));
    assert_eq!(refused.retry_after(), None);
}

#[test]
fn a_key_without_the_tier_wins_over_a_header_that_claims_it() {
    let (site, free, _) = keyed();
    let claimed = Ask::post("/premium").header("x-api-key", free.as_str()).header("x-user-tier", "premium");
    assert_eq!(site.send(&claimed).status(), 403);
    assert_eq!(site.send(&Ask::post("/premium").header("x-user-tier", "premium")).status(), 200);
}

#[test]
fn an_unknown_key_is_401_and_charges_no_limit_of_the_route() {
    let (site, ..) = keyed();
    let unknown = Ask::post("/").header("x-api-key", "sg_00000000_guess");
    let reply = site.send(&unknown);
    assert_eq!(reply.status(), 401);
    assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert_eq!(reply.body()["error"]["type"], "authentication_error");
    assert_eq!(site.send(&Ask::post("/")).remaining(), 3);
}

#[test]
fn after_ten_unknown_keys_a_client_learns_nothing_more_by_guessing() {
    let (site, free, _) = keyed();
    for guess in 0..10 {
        assert_eq!(site.send(&guess_of(guess)).status(), 401, "guess {guess}");
    }
    let wrong = site.send(&guess_of(11));
    let right = site.send(&bearer(&free));
    assert_eq!((wrong.status(), right.status()), (429, 429));
    assert_eq!((wrong.retry_after(), right.retry_after()), (Some(6), Some(6)));
    let told = |reply: &crate::site::Reply| {
        let mut body = reply.body();
        body["request_id"] = serde_json::Value::Null;
        (body, reply.header("ratelimit"), reply.header("ratelimit-policy"))
    };
    assert_eq!(told(&wrong), told(&right), "the right key is told apart");

    assert_eq!(site.send(&Ask::post("/")).status(), 200, "without a key there is nothing to guess");
    assert_eq!(site.send(&bearer(&free).from("192.0.2.2")).status(), 200, "another client may use its key");
    site.wait(6);
    assert_eq!(site.send(&bearer(&free)).status(), 200, "a true wait is over");
}

#[test]
fn known_keys_spend_nothing_of_the_failures() {
    let (site, _, premium) = keyed();
    for _ in 0..5 {
        site.pass(4, &bearer(&premium));
        site.wait(60);
    }
    for guess in 0..10 {
        assert_eq!(site.send(&guess_of(guess)).status(), 401);
    }
}

#[test]
fn new_keys_replace_old_ones_at_once() {
    let (site, free, _) = keyed();
    assert_eq!(site.send(&bearer(&free)).status(), 200);
    site.gate.replace_api_keys(ApiKeys::default());
    assert_eq!(site.send(&bearer(&free)).status(), 401);
}

#[test]
fn where_the_policy_has_no_keys_they_are_the_upstreams_business() {
    let site = Site::with_limits("[\"1/minute\"]");
    site.pass(1, &Ask::post("/").header("authorization", "Bearer sk-somebody-elses"));
}

fn guess_of(guess: u32) -> Ask {
    Ask::post("/").header("x-api-key", &format!("sg_{guess:08}_{}", "x".repeat(43)))
}

fn bearer(secret: &Secret) -> Ask {
    Ask::post("/").header("authorization", &format!("Bearer {}", secret.as_str()))
}

/// A site, and the keys of a caller of each tier.
fn keyed() -> (Site, Secret, Secret) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let file = KeyFile::at(&path);
    let made = UtcTime::from_unix(1_795_262_400);
    let (free, premium) = (file.add("a", None, made).unwrap(), file.add("b", Some("premium"), made).unwrap());
    let site = Site::new(
        r#"
        [identity]
        api_keys     = "keys.toml"
        tier         = "header:x-user-tier"
        default_tier = "free"
        [tiers.free]
        [tiers.premium]
        scale = 2
        [[route]]
        path   = "/"
        limits = [{ name = "calls", quota = "4/minute", key = "api_key" }]
        [[route]]
        path   = "/premium"
        tier   = "premium"
        limits = []
        "#,
    );
    site.gate.replace_api_keys(load(&path));
    (site, free, premium)
}

fn load(path: &Path) -> ApiKeys {
    ApiKeys::load(path).unwrap()
}
