//! Logs, and how a denial is logged.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    time::Duration,
};

use sluicegate_policy::{LogFormat, LogKeys};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging to standard error. `SLUICEGATE_LOG` chooses what, as in `info` or `sluicegate_gateway=debug`.
///
/// Call it once, first: what was logged before is lost, and a second call changes nothing.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var("SLUICEGATE_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let logs = fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails only where a program that embeds the gateway logs already.
    let _ = match format {
        LogFormat::Json => logs.json().flatten_event(true).try_init().is_ok(),
        LogFormat::Pretty => logs.try_init().is_ok(),
    };
}

/// Logs denials, with account keys that can be told apart but not read.
#[derive(Clone, Debug)]
pub(crate) struct DenialLog {
    keys: LogKeys,
    hasher: RandomState,
}

/// One denial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DenialLine<'a> {
    pub(crate) route: &'a str,
    pub(crate) limit: &'a str,
    pub(crate) key: &'a str,
    pub(crate) retry_after: Option<Duration>,
}

impl DenialLog {
    /// A log that writes keys in this way. Hashes differ from one start to the next.
    pub(crate) fn new(keys: LogKeys) -> DenialLog {
        DenialLog { keys, hasher: RandomState::new() }
    }

    /// Logs one denial, once.
    pub(crate) fn write(&self, line: DenialLine<'_>) {
        let DenialLine { route, limit, key, retry_after } = line;
        // Hashing is left out with the line.
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let retry_after = retry_after.map(|wait| wait.as_secs_f64());
        match self.keys {
            LogKeys::Hashed => {
                let key = format_args!("{:016x}", self.hasher.hash_one(key)).to_string();
                tracing::info!(route, limit, key, retry_after, "denied");
            }
            LogKeys::Plain => tracing::info!(route, limit, key, retry_after, "denied"),
        }
    }
}
