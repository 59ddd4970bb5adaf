//! Files of logs, and policies to replay them by.

use std::{fs, path::PathBuf};

use serde_json::Value;
use sluicegate_policy::{ApiKeys, Policy, Source};
use sluicegate_replay::{Replay, Report};
use tempfile::TempDir;

/// A folder with logs.
pub(crate) struct Desk {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: Vec::new() }
    }

    pub(crate) fn with(name: &str, text: impl AsRef<[u8]>) -> Self {
        Self::new().and(name, text)
    }

    pub(crate) fn and(mut self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        self.files.push(path);
        self
    }

    /// Replays all logs by a policy.
    pub(crate) fn replay(&self, policy: &str) -> Value {
        self.replay_by(replay(policy)).to_json()
    }

    pub(crate) fn replay_by(&self, replay: Replay) -> Report {
        self.attempt(replay).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Replays all logs, or tells why not.
    pub(crate) fn attempt(&self, replay: Replay) -> Result<Report, String> {
        replay.run(&self.files, |_| ()).map_err(|error| error.to_string())
    }

    pub(crate) fn error(&self, replay: Replay) -> String {
        self.attempt(replay).expect_err("it cannot be read")
    }
}

pub(crate) fn replay(policy: &str) -> Replay {
    let policy = Policy::parse(&Source::new("new.toml", policy.as_bytes()).unwrap());
    Replay::new(policy.unwrap_or_else(|error| panic!("{error}")), ApiKeys::default())
}

/// The part of a report about a limit.
pub(crate) fn limit<'r>(report: &'r Value, name: &str) -> &'r Value {
    let limits = report["limits"].as_array().unwrap();
    limits
        .iter()
        .find(|limit| limit["limit"] == name)
        .unwrap_or_else(|| panic!("no limit {name} in {report:#}"))
}
