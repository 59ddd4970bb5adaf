//! Each endpoint's limit.

use std::time::Duration;

use demo::guide::{FREE_KEY, PREMIUM_KEY};

use tokio::time::Instant;

use super::{Client, client, warm_demo};

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[tokio::test]
async fn the_eleventh_prediction_of_a_minute_is_denied_and_told_how_long_to_wait() {
    let demo = warm_demo().await;
    let first = client(&demo).predict("/predict").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["prediction"], "setosa");
    assert_eq!(first.header("ratelimit"), Some("\"predict_10_per_minute\";r=9;t=54"));
    assert_eq!(first.header("ratelimit-policy"), Some("\"predict_10_per_minute\";q=10;w=60"));

    let (_, denied) = Client::new(2, demo.addresses().gateway).spend("/predict", 10, MINUTE).await;
    assert!(denied.detail().starts_with("Too Many Requests"), "{denied:?}");
    assert!((1..=6).contains(&denied.retry_after().unwrap()), "{denied:?}");
    assert_eq!(denied.header("cache-control"), Some("no-store"));
    assert_eq!(denied.json()["violated-policies"], serde_json::json!(["predict_10_per_minute"]));
}

#[tokio::test]
async fn every_client_has_an_account_of_its_own_and_no_header_makes_another() {
    let demo = warm_demo().await;
    client(&demo).spend("/predict", 10, MINUTE).await;
    for (name, value) in
        [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-real-ip", "192.0.2.1")]
    {
        let spoofed = client(&demo).with(name, value).predict("/predict").await;
        assert_eq!(spoofed.status, 429, "{name}");
    }
    assert_eq!(Client::new(2, demo.addresses().gateway).predict("/predict").await.status, 200);
}

#[tokio::test]
async fn the_third_batch_of_a_fixed_minute_is_denied_until_the_minute_ends() {
    let demo = warm_demo().await;
    let start = Instant::now();
    // A fixed window gives nothing back before it ends.
    let (admitted, denied) = client(&demo).spend("/batch-predict", 2, MINUTE).await;
    assert_eq!(admitted, 2);
    assert!(denied.detail().starts_with("Too Many Requests"));
    let ends_in = MINUTE.saturating_sub(start.elapsed()).as_secs();
    assert!((ends_in..=60).contains(&denied.retry_after().unwrap()), "{denied:?}");
}

#[tokio::test]
async fn model_info_is_never_limited() {
    let demo = warm_demo().await;
    for _ in 0..300 {
        let answer = client(&demo).get("/model-info").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    assert!(client(&demo).get("/model-info").await.json()["heavy"]["accuracy"].as_f64().unwrap() > 0.9);
}

#[tokio::test]
async fn the_sixth_batch_in_five_minutes_is_denied() {
    let demo = warm_demo().await;
    let (_, denied) = client(&demo).spend("/predict/batch", 5, FIVE_MINUTES).await;
    assert!((1..=60).contains(&denied.retry_after().unwrap()), "{denied:?}");
    assert_eq!(denied.json()["violated-policies"], serde_json::json!(["predict_batch_5_per_5_minutes"]));
}

#[tokio::test]
async fn items_are_counted_and_a_batch_that_never_fits_is_told_not_to_come_back() {
    let demo = warm_demo().await;
    let client = client(&demo);
    let never = client.predict_batch("/predict/batch", 101).await;
    assert_eq!((never.status, never.retry_after()), (429, None), "{never:?}");
    assert_eq!(never.header("x-should-retry"), Some("false"));

    // It was charged nothing: neither an item nor one of the five batches.
    let whole = client.predict_batch("/predict/batch", 100).await;
    assert_eq!(whole.json()["predictions"].as_array().unwrap().len(), 100);
    let more = client.predict_batch("/predict/batch", 50).await;
    assert_eq!(more.status, 429, "{more:?}");
    assert!((1..=30).contains(&more.retry_after().unwrap()), "{more:?}");
    assert_eq!(more.json()["violated-policies"], serde_json::json!(["predict_batch_100_items_per_minute"]));
}

#[tokio::test]
async fn premium_is_for_the_premium_tier_by_key_or_by_header() {
    let demo = warm_demo().await;
    let client = client(&demo);
    for caller in [client.clone(), client.with("x-api-key", FREE_KEY), client.with("x-user-tier", "free")] {
        let turned_away = caller.predict("/premium/predict").await;
        assert_eq!(turned_away.status, 403);
        assert_eq!(turned_away.detail(), "Premium access required");
    }
    let bearer = format!("Bearer {PREMIUM_KEY}");
    for (name, value) in [("x-api-key", PREMIUM_KEY), ("authorization", &bearer), ("x-user-tier", "premium")]
    {
        assert_eq!(client.with(name, value).predict("/premium/predict").await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn the_premium_tier_shares_thirty_a_minute() {
    let demo = warm_demo().await;
    let start = Instant::now();
    let by_key = client(&demo).with("x-api-key", PREMIUM_KEY);
    by_key.spend("/premium/predict", 30, MINUTE).await;
    let elsewhere = Client::new(2, demo.addresses().gateway).with("x-user-tier", "premium");
    let answer = elsewhere.predict("/premium/predict").await;
    // Only what two seconds give back could have let it through.
    assert!(answer.status == 429 || start.elapsed() > Duration::from_secs(2), "{answer:?}");
}

#[tokio::test]
async fn each_model_has_a_limit_of_its_own() {
    let demo = warm_demo().await;
    let client = client(&demo);
    client.spend("/models/lightweight/predict", 100, MINUTE).await;
    client.spend("/models/heavy/predict", 10, MINUTE).await;
    client.spend("/models/batch-process", 2, FIVE_MINUTES).await;
}

#[tokio::test]
async fn premium_has_five_times_the_free_limit_and_never_raises_it() {
    let demo = warm_demo().await;
    let (free, premium) = (client(&demo), client(&demo).with("x-api-key", PREMIUM_KEY));
    premium.spend("/tiered/predict", 100, MINUTE).await;
    free.spend("/tiered/predict", 20, MINUTE).await;
    let another = Client::new(2, demo.addresses().gateway);
    another.with("x-api-key", FREE_KEY).spend("/tiered/predict", 20, MINUTE).await;
    another.with("x-api-key", PREMIUM_KEY).spend("/tiered/predict", 100, MINUTE).await;
}
