//! Layers as they are made.

use std::{error::Error, fs, time::Duration};

use sluicegate_tower::{BuildError, Builder, Limit, Mode, Quota, RateLimitLayer, Unit};

use crate::site::{Site, empty, header, policy, post, remaining};

#[test]
fn a_layer_without_limits_is_an_error() {
    let error = RateLimitLayer::builder().build().expect_err("it has none");
    assert!(matches!(error, BuildError::NoLimits));
    assert!(error.to_string().starts_with("a layer without limits: give its builder a limit"));
}

#[test]
fn what_is_wrong_with_limits_is_said_before_any_request() {
    let of = |limits: Vec<Limit>| {
        let builder = limits.into_iter().fold(RateLimitLayer::builder(), Builder::limit);
        builder.build().expect_err("it is wrong").to_string()
    };
    let rpm = || Limit::new("rpm", Quota::per_minute(1));
    assert!(
        of(vec![Limit::new("r|m", Quota::per_minute(1))]).starts_with("`r|m` is not a valid name of a limit")
    );
    assert!(of(vec![rpm(), rpm()]).starts_with("another limit is called `rpm`"));
    let items = Limit::new("items", Quota::per_minute(1).of(Unit::Items));
    assert!(of(vec![items]).starts_with("nothing counts the items of `1 items/minute`; give the cost"));
}

#[test]
fn what_is_wrong_with_a_policy_file_is_said_with_its_place() {
    let folder = tempfile::tempdir().expect("a place for files");
    let path = folder.path().join("sluicegate.toml");
    let build = || RateLimitLayer::builder().policy_file(&path).build();
    let error = build().expect_err("there is no file");
    assert!(matches!(error, BuildError::Policy(_)) && error.source().is_some(), "{error}");

    fs::write(&path, "[[route]]\npath = \"/\"\nlimits = [\"1/minut\"]\n").expect("it is written");
    let error = build().expect_err("it is wrong").to_string();
    assert!(error.contains("sluicegate.toml:3:"), "{error}");

    fs::write(
        &path,
        "[identity]\napi_keys = \"keys.toml\"\n[[route]]\npath = \"/\"\nlimits = [\"1/minute\"]\n",
    )
    .expect("it is written");
    assert!(matches!(build(), Err(BuildError::ApiKeys(_))));
}

#[test]
fn a_policy_limits_each_request_by_its_route() {
    let site = Site::of(
        "[[route]]\npath = \"/predict\"\nlimits = [\"2/minute\"]\n[[route]]\npath = \"/models/{model}\"\nlimits = [{ quota = \"5/minute\", key = \"path:model\" }]",
    );
    assert_eq!(remaining(&site.ask(empty(post("/predict")))), 1);
    assert_eq!(remaining(&site.ask(empty(post("/models/iris")))), 4);
    assert_eq!(remaining(&site.ask(empty(post("/models/rose")))), 4);
    assert_eq!(header(&site.ask(empty(post("/health"))), "ratelimit"), None);
}

#[test]
fn limits_in_code_stand_in_the_settings_of_a_policy_and_not_among_its_routes() {
    let settings = policy(
        "[responses]\nheaders = [\"github\"]\n[[route]]\npath = \"/predict\"\nlimits = [\"2/minute\"]",
    );
    let site = Site::new(|builder| builder.policy(settings).limit(Limit::new("all", Quota::per_minute(9))));
    assert_eq!(header(&site.ask(empty(post("/predict"))), "x-ratelimit-remaining"), Some("8"));
}

#[test]
fn all_limits_admit_a_request_or_none_is_charged() {
    let site = Site::new(|builder| {
        builder
            .limit(Limit::new("minute", Quota::per_minute(1)))
            .limit(Limit::new("day", Quota::per_day(100)))
    });
    for status in [200, 429, 429] {
        assert_eq!(site.ask(empty(post("/"))).status(), status);
    }
    site.clock.advance(Duration::from_secs(60));
    let answer = site.ask(empty(post("/")));
    let told = header(&answer, "ratelimit").expect("it is told");
    assert!(told.contains("\"day\";r=98"), "{told}");
}

#[test]
fn a_limit_in_shadow_mode_denies_nothing() {
    let site = Site::new(|builder| builder.limit(Limit::new("rpm", Quota::per_minute(1))).mode(Mode::Shadow));
    for _ in 0..3 {
        assert_eq!(site.ask(empty(post("/"))).status(), 200);
    }
}

#[test]
fn layers_that_share_charge_limits_of_one_name_to_one_account() {
    let first = Site::new(|builder| builder.limit(Limit::new("rpm", Quota::per_minute(9))));
    let second =
        Site::new(|builder| builder.share(&first.layer).limit(Limit::new("rpm", Quota::per_minute(9))));
    let other =
        Site::new(|builder| builder.share(&first.layer).limit(Limit::new("other", Quota::per_minute(9))));
    let apart = Site::new(|builder| builder.limit(Limit::new("rpm", Quota::per_minute(9))));
    for (site, left) in [(&first, 8), (&second, 7), (&other, 8), (&apart, 8), (&first, 6)] {
        assert_eq!(remaining(&site.ask(empty(post("/")))), left);
    }
}

#[test]
fn limits_are_small_until_the_application_is_ready() {
    let settings = policy(
        "[gateway]\nupstream = \"http://127.0.0.1:1\"\n[warmup]\nscale = 0.2\nready = \"/health\"\nramp = \"0s\"",
    );
    let site = Site::new(|builder| builder.policy(settings).limit(Limit::new("rpm", Quota::per_minute(10))));
    assert_eq!(remaining(&site.ask(empty(post("/")))), 1);
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(remaining(&site.ask(empty(post("/")))), 1);
    site.layer.ready();
    site.clock.advance(Duration::from_secs(60));
    assert_eq!(remaining(&site.ask(empty(post("/")))), 9);
}
