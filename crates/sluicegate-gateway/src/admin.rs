//! The admin port: health, metrics, the summary, denied keys, accounts, explanations, the policy, reloads
//! and the dashboard. Never on the public port, never limited.

mod access;
pub(crate) mod dashboard;
mod denials;
mod explain;
mod limits;
mod openapi;
mod policy;
mod reload;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use sluicegate_metrics::{Format, Metrics};

use self::dashboard::Dashboard;
use crate::{problem::Problem, reload::Reloads, threads::drain::Draining};

/// The parts of the gateway that the admin port reports on and changes.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    pub(crate) draining: Draining,
    pub(crate) reloads: Arc<Reloads>,
    pub(crate) dashboard: Arc<Dashboard>,
    /// Set if only this machine can connect.
    pub(crate) is_local: bool,
}

/// An endpoint: its path, and what it does.
type Endpoint = (&'static str, fn() -> MethodRouter<Admin>);

/// Probes, Prometheus and browsers may ask from wherever they can connect. The page itself tells nothing.
const OPEN: &[Endpoint] = &[
    ("/livez", || get(livez)),
    ("/readyz", || get(readyz)),
    ("/metrics", || get(metrics)),
    ("/openapi.json", || get(openapi::show)),
    ("/dashboard", || get(dashboard::page::show)),
    ("/dashboard/{file}", || get(dashboard::page::file)),
];

/// The other endpoints require access.
const GUARDED: &[Endpoint] = &[
    ("/dashboard/state", || get(dashboard::state)),
    ("/denials", || get(denials::show)),
    ("/limits", || get(limits::show).delete(limits::reset)),
    ("/explain", || post(explain::explain)),
    ("/policy", || get(policy::show)),
    ("/config/reload", || post(reload::reload)),
];

impl Admin {
    /// All endpoints. Any other path gets a problem document, too.
    pub(crate) fn router(self) -> Router {
        let route = |router: Router<Self>, (path, endpoint): &Endpoint| router.route(path, endpoint());
        let guarded = GUARDED.iter().fold(Router::new(), route);
        let guarded = guarded.route_layer(middleware::from_fn_with_state(self.clone(), access::check));
        OPEN.iter()
            .fold(guarded, route)
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
            .with_state(self)
    }
}

/// 200 as long as the process can answer: a restart would mend nothing else.
async fn livez() -> &'static str {
    "ok\n"
}

/// Answers 200 until the drain begins. Another replica would do no better with an upstream that warms up, or a store that
/// is down. So a silent server of the store is only named.
async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    if admin.draining.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let silent = admin.metrics.silent_servers().into_iter();
    let silent = silent.map(|server| format!("the store's server {server} does not answer\n"));
    (StatusCode::OK, std::iter::once("ok\n".to_owned()).chain(silent).collect())
}

/// The metrics in the format that the client prefers.
async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let format = Format::preferred(accept);
    let Ok(text) = admin.metrics.write(format) else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written")
            .into_response();
    };
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "The admin port has no such path")
}

/// The router adds `Allow`.
async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This path is not for this method: Allow names those that it is for",
    )
}
