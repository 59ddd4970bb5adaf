//! Logs, and how a denial is logged.

use std::{
    env,
    hash::RandomState,
    io::{self, IsTerminal},
};

use sluicegate::{Key, Transition};
use sluicegate_policy::{Denied, LogFormat, LogKeys, Policy, RequestId};
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging to standard error. `SLUICEGATE_LOG` chooses what, as in `info` or `sluicegate_gateway=debug`.
///
/// Call it once, first: what was logged before is lost, and a second call changes nothing.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("SLUICEGATE_LOG")
        .with_default_directive(Level::INFO.into())
        .from_env_lossy();
    // Colours are for people, not for files.
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    // It fails only where a program that embeds the gateway logs already.
    let _ = match format {
        LogFormat::Json => logs.json().flatten_event(true).try_init().is_ok(),
        LogFormat::Pretty => logs.try_init().is_ok(),
    };
}

/// Logs what a policy says and its author hardly means, each once.
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

/// Logs denials, with account keys that can be told apart but not read.
#[derive(Clone, Debug)]
pub(crate) struct DenialLog {
    keys: LogKeys,
    hasher: RandomState,
}

impl DenialLog {
    /// A log that writes keys in this way. Hashes differ from one start to the next.
    pub(crate) fn new(keys: LogKeys) -> Self {
        Self { keys, hasher: RandomState::new() }
    }

    /// The same log, with its hashes, that writes keys in this way.
    pub(crate) fn with_keys(&self, keys: LogKeys) -> Self {
        Self { keys, hasher: self.hasher.clone() }
    }

    /// An account's key as this log writes it.
    pub(crate) fn written(&self, key: &Key) -> String {
        self.keys.written(key, &self.hasher)
    }

    /// Logs one denial, once.
    pub(crate) fn write(&self, route: &str, limit: &str, denied: &Denied, id: &RequestId) {
        if !tracing::enabled!(Level::INFO) {
            return;
        }
        let key = self.written(denied.key());
        // Absent where waiting does not help.
        let retry_after = denied.retry_after();
        let request_id = id.as_str();
        tracing::info!(route, limit, key, retry_after, request_id, "denied");
    }
}
