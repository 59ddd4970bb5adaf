//! The dashboard: its page, and the state that the page shows, once or as events.

mod history;
pub(super) mod page;
mod state;

use std::{
    convert::Infallible,
    future::pending,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Error, Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use tokio::{sync::watch, time::sleep};

use self::{
    history::{History, Range},
    state::{GatewayState, Told},
};
use super::Admin;
use crate::{problem::Problem, reload::Reloads};

/// The last hours of the gateway, for everyone who looks.
#[derive(Debug, Default)]
pub(crate) struct Dashboard {
    history: Mutex<History>,
    /// Changes with each look at the counters.
    looked: watch::Sender<()>,
}

impl Dashboard {
    /// Looks at the counters once a second. It never returns.
    pub(crate) async fn follow(&self, reloads: &Reloads) -> Infallible {
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.history().look(now, &reloads.current().metrics.all);
            self.looked.send_replace(());
            sleep(INTERVAL).await;
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 200 with the state now as JSON, or, for a client that accepts events, now and with each change of it.
pub(super) async fn state(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let range = range(query.as_deref())?;
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    if accepted.flat_map(|line| line.split(',')).any(|range| range.trim().starts_with(EVENTS)) {
        return Ok(events(admin, range));
    }
    let (state, _) = state::tell(&admin, range, None, |state| Json(state).into_response());
    Ok(([(header::CACHE_CONTROL, "no-store")], state).into_response())
}

/// Each event follows a look at the counters, and the first comes at once. A client that reads slowly misses looks and no
/// changes.
fn events(admin: Admin, range: Range) -> Response {
    let mut looked = admin.dashboard.looked.subscribe();
    looked.mark_changed();
    let events = stream::unfold((admin, looked, None), move |(admin, mut looked, told)| async move {
        let told: Option<Told> = told;
        if looked.changed().await.is_err() {
            // The gateway is about to be dropped.
            pending::<()>().await;
        }
        let write = |state: &GatewayState<'_>| Event::default().event("state").json_data(state);
        let (event, told): (Result<Event, Error>, _) = state::tell(&admin, range, told, write);
        Some((event, (admin, looked, Some(told))))
    });
    Sse::new(events).into_response()
}

fn range(query: Option<&str>) -> Result<Range, Problem> {
    let mut range = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let named = Range::named(&value).filter(|_| name == "range" && range.is_none());
        range = Some(named.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, PARAMETERS))?);
    }
    Ok(range.unwrap_or(Range::TenMinutes))
}

const EVENTS: &str = "text/event-stream";

const PARAMETERS: &str = "Name one range of time, or none: /dashboard/state?range=10m, 1h or 6h";

/// The time between two looks at the counters.
const INTERVAL: Duration = Duration::from_secs(1);
