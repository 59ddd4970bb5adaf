//! The model server: an ordinary HTTP API over the [models](crate::model) that knows nothing of limits.
//!
//! It stands for the server that a reader already has. Its errors are its own: 400 for a body that is not JSON, 415
//! for another content type, 422 for JSON that describes no flower, 503 until a model is trained.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::guide::Page;
use crate::model::{FEATURES, Flower, Model, Models, Species};

/// The endpoints, and this page at the root. [`Models`] that are trained later begin to answer when they are.
pub fn router(models: Arc<Models>, page: &Page) -> Router {
    let page = page.to_string();
    Router::new()
        .route("/", get(async || Html(page)))
        .route("/health", get(health))
        .route("/model-info", get(model_info))
        .route("/predict", post(predict_best))
        .route("/tiered/predict", post(predict_best))
        .route("/premium/predict", post(predict_heavy))
        .route("/models/heavy/predict", post(predict_heavy))
        .route("/models/lightweight/predict", post(predict_lightweight))
        .route("/batch-predict", post(predict_batch))
        .route("/predict/batch", post(predict_batch))
        .route("/models/batch-process", post(predict_batch))
        .with_state(models)
}

/// Ready once both models are: what the gateway polls while it warms up.
async fn health(State(models): State<Arc<Models>>) -> Response {
    match models.heavy() {
        Some(_) => Json(json!({"status": "ready"})).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "training"}))).into_response(),
    }
}

async fn model_info(State(models): State<Arc<Models>>) -> Json<Value> {
    let describe = |model: Option<&Model>| {
        model.map_or(
            json!({"status": "training"}),
            |model| json!({"status": "ready", "kind": model.name(), "accuracy": model.accuracy()}),
        )
    };
    Json(json!({
        "data_set": "iris",
        "features": FEATURES,
        "classes": [Species::Setosa, Species::Versicolor, Species::Virginica],
        "lightweight": describe(models.lightweight()),
        "heavy": describe(models.heavy()),
    }))
}

async fn predict_best(State(models): State<Arc<Models>>, body: Body<One>) -> Result<Json<Value>, Failure> {
    body?.predict(models.best())
}

async fn predict_heavy(State(models): State<Arc<Models>>, body: Body<One>) -> Result<Json<Value>, Failure> {
    body?.predict(models.heavy())
}

async fn predict_lightweight(
    State(models): State<Arc<Models>>,
    body: Body<One>,
) -> Result<Json<Value>, Failure> {
    body?.predict(models.lightweight())
}

async fn predict_batch(State(models): State<Arc<Models>>, body: Body<Many>) -> Result<Json<Value>, Failure> {
    let Json(many) = body?;
    let model = models.best().ok_or(Failure::Training)?;
    Ok(Json(json!({"predictions": model.predict(&many.inputs), "model": model.name()})))
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// `{"input": [5.1, 3.5, 1.4, 0.2]}`
#[derive(Deserialize)]
struct One {
    input: Flower,
}

impl One {
    fn predict(&self, model: Option<&Model>) -> Result<Json<Value>, Failure> {
        let model = model.ok_or(Failure::Training)?;
        let predictions = model.predict(&[self.input]);
        Ok(Json(json!({"prediction": predictions.first(), "model": model.name()})))
    }
}

/// `{"inputs": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}`
#[derive(Deserialize)]
struct Many {
    inputs: Vec<Flower>,
}

enum Failure {
    Body(JsonRejection),
    Training,
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self::Body(rejection)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Body(rejection) => (rejection.status(), rejection.body_text()),
            Self::Training => {
                (StatusCode::SERVICE_UNAVAILABLE, "This model is still in training.".to_owned())
            }
        };
        (status, Json(json!({"detail": detail}))).into_response()
    }
}
