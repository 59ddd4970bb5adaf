//! Smaller limits while the models are in training.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use demo::model::Models;
use tokio::time::{Instant, timeout};

use super::client::Answer;
use super::{client, policy, start};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_fifth_of_every_limit_is_open_until_the_model_is_ready_then_a_ramp_without_a_burst() {
    let models = Arc::new(Models::default());
    models.train_lightweight();
    let demo = start(&policy().replace("\"10s\"", "\"3s\""), Arc::clone(&models)).await;
    let client = client(&demo);
    let began = Instant::now();

    assert_eq!(client.get("/health").await.status, 503);
    let early = client.predict("/tiered/predict").await;
    assert_eq!(early.json()["model"], "logistic regression");
    assert_eq!(early.header("ratelimit-policy"), Some("\"tiered_predict_20_per_minute\";q=4;w=60"));
    client.spend("/predict", 2, MINUTE).await;
    client.spend("/batch-predict", 1, 3 * MINUTE).await;
    let (mut admitted, _) = client.spend("/models/lightweight/predict", 20, MINUTE).await;

    models.train_heavy();
    let mut sizes = BTreeSet::new();
    let whole = async {
        loop {
            let answer = client.predict("/models/lightweight/predict").await;
            admitted += u32::from(answer.status == 200);
            sizes.insert(quota(&answer));
            if quota(&answer) == 100 && answer.status == 429 {
                return;
            }
        }
    };
    timeout(MINUTE, whole).await.expect("the limit grows to the whole within seconds of readiness");
    assert!(sizes.range(21..100).next().is_some(), "no ramp: {sizes:?}");
    let given = began.elapsed().as_nanos() * 100 / MINUTE.as_nanos();
    assert!(u128::from(admitted) <= 100 + given, "{admitted} in {:?}", began.elapsed());
    assert_eq!(client.predict("/tiered/predict").await.json()["model"], "neural network");
}

/// The quota that an answer tells of.
fn quota(answer: &Answer) -> u32 {
    let policy = answer.header("ratelimit-policy").unwrap();
    let (_, quota) = policy.split_once(";q=").unwrap();
    quota.split(';').next().unwrap().parse().unwrap()
}
