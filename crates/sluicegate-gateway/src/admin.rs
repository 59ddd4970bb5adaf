//! The admin port: health, metrics, the summary, and reloads. Never on the public port, never limited.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use sluicegate_metrics::{Format, Metrics};

use crate::{
    drain::Draining,
    reload::{ReloadError, Reloads},
};

/// What the admin port reports on, and what it changes.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    pub(crate) draining: Draining,
    pub(crate) reloads: Arc<Reloads>,
    /// Whether only this machine can ask.
    pub(crate) is_local: bool,
}

impl Admin {
    /// The endpoints `/livez`, `/readyz`, `/metrics` and `/config/reload`.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/config/reload", post(reload))
            .with_state(self)
    }
}

/// 200 as long as the process can answer: a restart would mend nothing else.
async fn livez() -> &'static str {
    "ok\n"
}

/// 200 until the drain begins. An upstream that warms up makes nobody else a better choice.
async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.draining.has_begun() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        false => (StatusCode::OK, "ok\n"),
    }
}

/// The metrics in the format that the client prefers.
async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let format = Format::preferred(accept);
    let Ok(text) = admin.metrics.write(format) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// 200 with what changed once every new request is served by the new policy; 422 with all that is wrong with it. 403
/// where others than this machine could ask: whoever may see the metrics may not change the gateway for that.
async fn reload(State(admin): State<Admin>) -> Response {
    if !admin.is_local {
        return problem(StatusCode::FORBIDDEN, NOT_LOCAL);
    }
    // Not ended by a client that goes away meanwhile.
    let reload = tokio::spawn(async move { admin.reloads.reload().await });
    let Ok(reloaded) = reload.await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    match reloaded {
        Ok(reloaded) => Json(json!({
            "reloaded": true,
            "needs_restart": reloaded.needs_restart,
            "added_limits": reloaded.added_limits,
            "removed_limits": reloaded.removed_limits,
        }))
        .into_response(),
        Err(error) => {
            let status = match error {
                ReloadError::NoOrigin => StatusCode::CONFLICT,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            problem(status, &error.to_string())
        }
    }
}

/// A problem document (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let problem =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
}

const NOT_LOCAL: &str = "Reloads are asked for on a loopback address only, and gateway.admin is none: change the policy file, or \
     send SIGHUP to the gateway, or set gateway.admin to \"127.0.0.1:9090\"";
