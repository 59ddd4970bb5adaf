//! Watching the file of API keys.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use sluicegate_policy::{ApiKeys, Gate};
use sluicegate_stores::AnyStore;
use tokio::time::{MissedTickBehavior, interval};

/// Gives the gate the keys in the file again whenever it has changed. A file that cannot be read or understood changes
/// nothing: the old keys stay.
pub(crate) async fn watch(path: &Path, gate: &Gate<AnyStore>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Read once more at first: the file may have changed since the gate was given its keys.
    let mut known = None;
    loop {
        pace.tick().await;
        let version = Version::of(path);
        if version == known {
            continue;
        }
        known = version;
        match ApiKeys::load_for(path, &gate.policy().tiers) {
            Ok(keys) => {
                tracing::info!(keys = keys.iter().len(), "read the API keys");
                gate.replace_api_keys(keys);
            }
            Err(error) => tracing::error!(%error, "the old API keys stay"),
        }
    }
}

/// What tells one version of a file from the next.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Version {
    /// The version now; `None` if there is no file.
    fn of(path: &Path) -> Option<Version> {
        let metadata = fs::metadata(path).ok()?;
        let (inode, length) = (metadata.ino(), metadata.len());
        Some(Version { inode, length, modified: metadata.modified().ok() })
    }
}

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
