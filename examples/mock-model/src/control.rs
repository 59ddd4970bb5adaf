//! The control endpoints, for tests: the books, and the settings.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::ledger::Totals;
use crate::server::MockModel;
use crate::settings::Settings;

/// The paths under `/control`.
pub(crate) fn router() -> Router<MockModel> {
    let settings: MethodRouter<MockModel> = get(settings).put(change).delete(restore);
    Router::new()
        .route("/ledger", get(ledger).delete(clear))
        .route("/totals", get(totals))
        .route("/settings", settings)
}

async fn ledger(State(model): State<MockModel>) -> Json<Value> {
    Json(json!({"totals": model.ledger().totals(), "requests": model.ledger().records()}))
}

async fn totals(State(model): State<MockModel>) -> Json<Totals> {
    Json(model.ledger().totals())
}

async fn clear(State(model): State<MockModel>) -> StatusCode {
    model.ledger().clear();
    StatusCode::NO_CONTENT
}

async fn settings(State(model): State<MockModel>) -> Json<Settings> {
    Json(model.settings())
}

/// Changes the settings that the body names, or none of them if one is wrong.
async fn change(
    State(model): State<MockModel>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<Settings>, (StatusCode, String)> {
    let mut settings = model.settings();
    for (name, value) in &changes {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        settings.set(name, &value).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    }
    model.set(Some(settings.clone()));
    Ok(Json(settings))
}

async fn restore(State(model): State<MockModel>) -> Json<Settings> {
    model.set(None);
    Json(model.settings())
}
