//! The endpoints of a small ML API, each with its limit.

use crate::site::{Ask, Site};

#[test]
fn the_eleventh_prediction_of_a_minute_is_denied_and_the_wait_is_true() {
    let site = site();
    let predict = Ask::post("/predict");
    site.pass(10, &predict);
    let denied = site.send(&predict);
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(6)));
    assert!(denied.detail().starts_with("Too Many Requests"), "{}", denied.detail());

    assert_eq!(site.send(&predict.clone().from("192.0.2.2")).status(), 200, "another client has its own");
    site.wait(5);
    assert_eq!(site.send(&predict).status(), 429);
    site.wait(1);
    assert_eq!(site.send(&predict).status(), 200);
}

#[test]
fn a_fixed_window_gives_all_of_it_back_at_its_end() {
    let site = site();
    let batch = Ask::post("/batch-predict");
    site.pass(1, &batch);
    site.wait(50);
    site.pass(1, &batch);
    let denied = site.send(&batch);
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(10)));
    site.wait(10);
    site.pass(2, &batch);
    assert_eq!(site.send(&batch).status(), 429);
}

#[test]
fn a_route_without_limits_is_never_limited_and_says_nothing() {
    let site = site();
    site.pass(1_000, &Ask::get("/model-info"));
    assert!(site.send(&Ask::get("/model-info")).headers().is_empty());
}

#[test]
fn a_batch_is_counted_as_a_request_and_as_its_items() {
    let site = site();
    let batch = |items| Ask::post("/predict/batch").batch(items);
    site.pass(1, &batch(60));
    let denied = site.send(&batch(41));
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(1)), "0.6 s earn one item more");
    site.pass(4, &batch(10));
    let denied = site.send(&batch(0));
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(60)), "the sixth in five minutes");
    assert_eq!(denied.denied().spent().count(), 1);
}

/// H14.
#[test]
fn a_batch_larger_than_the_whole_limit_is_denied_for_ever() {
    let site = site();
    let denied = site.send(&Ask::post("/predict/batch").batch(101));
    assert_eq!((denied.status(), denied.retry_after()), (429, None));
    assert_eq!(denied.header("x-should-retry").as_deref(), Some("false"));
    assert!(denied.detail().starts_with("Too Many Requests: 101 items"), "{}", denied.detail());
    site.pass(5, &Ask::post("/predict/batch").batch(20));
}

#[test]
fn a_premium_route_is_for_the_tier_and_counts_the_tier() {
    let site = site();
    let refused = site.send(&Ask::post("/premium/predict"));
    assert_eq!((refused.status(), refused.detail().as_str()), (403, "Premium access required"));
    let premium = Ask::post("/premium/predict").header("x-user-tier", "premium");
    site.pass(15, &premium);
    site.pass(15, &premium.clone().from("192.0.2.2"));
    let denied = site.send(&premium.clone().from("192.0.2.3"));
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(2)));
}

#[test]
fn each_model_is_counted_apart() {
    let site = site();
    let models =
        [("/models/lightweight/predict", 100), ("/models/heavy/predict", 10), ("/models/batch-process", 2)];
    for (path, limit) in models {
        site.pass(limit, &Ask::post(path));
        assert_eq!(site.send(&Ask::post(path)).status(), 429, "{path}");
    }
}

#[test]
fn an_unmatched_request_passes_unless_the_defaults_limit_it() {
    site().pass(100, &Ask::post("/elsewhere"));
    let site = Site::new("[defaults]\nlimits = [\"1/minute\"]");
    site.pass(1, &Ask::post("/elsewhere"));
    assert_eq!(site.send(&Ask::post("/anywhere")).status(), 429);
}

#[test]
fn what_was_denied_is_told_for_logs_and_metrics() {
    let site = site();
    site.pass(10, &Ask::post("/predict"));
    let reply = site.send(&Ask::post("/predict"));
    let denied = reply.denied();
    let policy = site.gate.policy();
    assert_eq!(policy.limit(denied.limit()).name(), "predict_10_per_minute");
    assert!(denied.key().as_str().contains("192.0.2.1"), "{}", denied.key());
    assert_eq!(denied.spent().collect::<Vec<_>>(), [denied.limit()]);
    let passed = site.send(&Ask::post("/predict/batch").batch(1)).passed();
    let names: Vec<_> = passed.limits().iter().map(|id| policy.limit(*id).name()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(policy.routes.get(passed.route()).label(), "/predict/batch");
    assert_eq!(policy.tiers.name(passed.tier()), "free");
}

#[test]
fn slots_come_back_when_their_pass_is_dropped() {
    let site = Site::with_limits("[\"2 concurrent\"]");
    let (first, _second) = (site.send(&Ask::post("/")), site.send(&Ask::post("/")));
    let denied = site.send(&Ask::post("/"));
    assert_eq!((denied.status(), denied.retry_after()), (429, Some(1)));
    assert_eq!(denied.header("x-should-retry"), None);
    drop(first);
    assert_eq!(site.send(&Ask::post("/")).status(), 200);
}

fn site() -> Site {
    Site::new(
        r#"
        [identity]
        tier         = "header:x-user-tier"
        default_tier = "free"
        [tiers.free]
        [tiers.premium]
        scale = 5
        [[route]]
        path    = "/predict"
        methods = ["POST"]
        limits  = ["10/minute"]
        [[route]]
        path    = "/batch-predict"
        limits  = [{ quota = "2/minute", algorithm = "fixed-window" }]
        [[route]]
        path    = "/model-info"
        limits  = []
        [[route]]
        path    = "/predict/batch"
        meter   = { items = "/inputs" }
        limits  = ["5/5 minutes", "100 items/minute"]
        [[route]]
        path    = "/premium/predict"
        tier    = "premium"
        limits  = [{ name = "premium", quota = "30/minute", key = "tier" }]
        [[route]]
        path    = "/models/lightweight/predict"
        limits  = ["100/minute"]
        [[route]]
        path    = "/models/heavy/predict"
        limits  = ["10/minute"]
        [[route]]
        path    = "/models/batch-process"
        limits  = ["2/5 minutes"]
        "#,
    )
}
