//! `/denials`: the keys that are denied most.

use axum::{Json, extract::State};
use serde_json::{Value, json};
use sluicegate_http::DeniedKey;

use super::Admin;

/// 200 with the keys, those with the most denials first.
pub(super) async fn show(State(admin): State<Admin>) -> Json<Value> {
    let keys = admin.reloads.current().denials.most_denied();
    Json(json!({ "keys": keys.iter().map(entry).collect::<Vec<_>>() }))
}

/// The entry of one key.
pub(super) fn entry(denied: &DeniedKey) -> Value {
    json!({
        "limit": denied.limit,
        "key": denied.key,
        "denials": denied.denials,
        "at_most": denied.at_most,
        "idle": denied.idle.as_secs_f64(),
    })
}
