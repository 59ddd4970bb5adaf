//! `/config/reload`: reads the policy again.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::Admin;
use crate::{problem::Problem, reload::ReloadError};

/// 200 with what changed once every new request is served by the new policy; 422 with all that is wrong with it.
pub(super) async fn reload(State(admin): State<Admin>) -> Result<Json<Value>, Problem> {
    // Not ended by a client that goes away meanwhile.
    let reload = tokio::spawn(async move { admin.reloads.reload().await });
    let reloaded = reload
        .await
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The reload was broken off"))?;
    match reloaded {
        Ok(reloaded) => Ok(Json(json!({
            "reloaded": true,
            "needs_restart": reloaded.needs_restart,
            "added_limits": reloaded.added_limits,
            "removed_limits": reloaded.removed_limits,
        }))),
        Err(error) => {
            let status = match error {
                ReloadError::NoOrigin => StatusCode::CONFLICT,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Err(Problem::new(status, error.to_string()))
        }
    }
}
