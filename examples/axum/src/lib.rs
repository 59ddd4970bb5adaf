//! A small real model in an axum app that limits its own requests, by the policy in `sluicegate.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use demo::model::{Flower, Model, Models};
use serde::Deserialize;
use serde_json::{Value, json};
use sluicegate_tower::{Permit, RateLimitLayer};

/// The app: its endpoints, behind a layer.
pub fn app(models: Arc<Models>, layer: RateLimitLayer) -> Router {
    Router::new()
        .route("/health", get(async || "ready"))
        .route("/predict", post(predict))
        .route("/predict/batch", post(predict_batch))
        .with_state(models)
        .layer(layer)
}

/// The example's own policy file.
pub fn policy_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sluicegate.toml")
}

async fn predict(State(models): State<Arc<Models>>, Json(one): Json<One>) -> Result<Json<Value>, StatusCode> {
    let model = trained(&models)?;
    Ok(Json(json!({"prediction": model.predict(&[one.input]).first()})))
}

/// Predicts each distinct flower once, so the client pays for those only.
async fn predict_batch(
    State(models): State<Arc<Models>>,
    permit: Permit,
    Json(many): Json<Many>,
) -> Result<Json<Value>, StatusCode> {
    let model = trained(&models)?;
    let mut distinct: Vec<Flower> = Vec::new();
    for flower in &many.inputs {
        if !distinct.contains(flower) {
            distinct.push(*flower);
        }
    }
    let species = model.predict(&distinct);
    permit.settle(distinct.len() as u64);
    let of =
        |flower: &Flower| distinct.iter().zip(&species).find(|(known, _)| *known == flower).map(|(_, it)| it);
    Ok(Json(json!({"predictions": many.inputs.iter().map(of).collect::<Vec<_>>()})))
}

fn trained(models: &Models) -> Result<&Model, StatusCode> {
    models.best().ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// `{"input": [5.1, 3.5, 1.4, 0.2]}`
#[derive(Deserialize)]
struct One {
    input: Flower,
}

/// `{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}`
#[derive(Deserialize)]
struct Many {
    inputs: Vec<Flower>,
}
