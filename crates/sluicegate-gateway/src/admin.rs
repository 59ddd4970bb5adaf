//! The admin port: health, metrics and the summary. Never on the public port, never limited.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sluicegate_metrics::{Format, Metrics};

use crate::drain::Draining;

/// What the admin port reports on.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    pub(crate) draining: Draining,
}

impl Admin {
    /// The endpoints `/livez`, `/readyz` and `/metrics`.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
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
