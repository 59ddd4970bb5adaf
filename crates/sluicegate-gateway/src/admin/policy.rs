//! `/policy`: the policy that is at work.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Admin;

/// 200 with the policy as it was resolved, and where it comes from. No secret is in it.
pub(super) async fn show(State(admin): State<Admin>) -> Json<Value> {
    let generation = admin.reloads.current();
    let (reloads, failed_reloads) = admin.reloads.metrics.counts();
    Json(json!({
        "source": {
            "file": admin.reloads.file.as_ref().map(|file| file.display().to_string()),
            "read": generation.read.to_string(),
            "reloads": reloads,
            "failed_reloads": failed_reloads,
        },
        "policy": generation.gate.policy().document(),
    }))
}
