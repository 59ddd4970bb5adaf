//! Logs, and how a denial is logged.

mod json_lines;

use std::{
    env,
    io::{self, IsTerminal},
};

use sluicegate::Transition;
use sluicegate_http::{DenialFields, DenialLog, decision_log::SinkEvent};
use sluicegate_policy::{ApiKeysError, Denied, LogFormat, Policy, RequestId};
use tracing::Level;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use self::json_lines::JsonLines;

/// Starts logging to standard error. `SLUICEGATE_LOG` chooses what, as in `info` or `sluicegate_gateway=debug`.
///
/// Call it once, first: earlier log events are lost, and a second call changes nothing.
pub fn init(format: LogFormat) {
    let wanted = env::var("SLUICEGATE_LOG").unwrap_or_default();
    // An empty filter would be read as that of errors.
    let levels = if wanted.is_empty() { Ok(Targets::new()) } else { wanted.parse() };
    let is_unread = levels.is_err();
    let levels = levels.unwrap_or_default();
    let levels = match levels.default_level() {
        Some(_) => levels,
        None => levels.with_default(Level::INFO),
    };
    // Colours are for people, not for files.
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(colours);
    let registry = tracing_subscriber::registry().with(levels);
    // It fails only where a program that embeds the gateway logs already.
    let _ = match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).map_event_format(JsonLines::new);
            registry.with(lines).try_init().is_ok()
        }
        LogFormat::Pretty => registry.with(lines).try_init().is_ok(),
    };
    if is_unread {
        tracing::warn!(
            SLUICEGATE_LOG = wanted,
            "the log has level info: write a level, as in debug or sluicegate_gateway=debug"
        );
    }
}

/// Logs a warning for each setting of a policy that its author hardly means.
pub fn warnings(policy: &Policy) {
    for warning in policy.warnings.as_slice() {
        tracing::warn!(place = %warning.place, help = warning.help, "{}", warning.message);
    }
}

/// Logs that the store stopped answering, or answers again.
pub(crate) fn transition(transition: &Transition) {
    match transition {
        Transition::Down { .. } => tracing::warn!("{transition}"),
        Transition::Up { .. } | Transition::Replaced { .. } => tracing::info!("{transition}"),
    }
}

/// Logs that the file of API keys was read again, or why the old keys stay.
pub(crate) fn api_keys(heard: Result<usize, ApiKeysError>) {
    match heard {
        Ok(keys) => tracing::info!(keys, "read the API keys"),
        Err(error) => tracing::error!(%error, "the old API keys stay"),
    }
}

/// Logs that the decision log loses lines, or has all of them again.
pub(crate) fn decision_log(event: SinkEvent) {
    match event {
        SinkEvent::Failing(error) => {
            tracing::warn!("the decision log cannot be written: {error}; its lines are dropped until it can");
        }
        SinkEvent::Overflowing => {
            tracing::warn!("decisions come faster than the disk writes them; the decision log drops lines");
        }
        SinkEvent::Recovered(dropped) => tracing::info!(dropped, "the decision log is written again"),
    }
}

/// Logs one denial, once, and counts it for its key even if denials are not logged.
pub(crate) fn denial(log: &DenialLog, policy: &Policy, denied: &Denied, id: &RequestId) {
    log.count(policy, denied);
    if !tracing::enabled!(Level::INFO) {
        return;
    }
    let DenialFields { route, limit, key, retry_after } = log.fields(policy, denied);
    tracing::info!(route, limit, key, retry_after, request_id = id.as_str(), "denied");
}
