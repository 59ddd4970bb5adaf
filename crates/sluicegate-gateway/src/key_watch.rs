//! Watching the file of API keys.

use std::{path::Path, time::Duration};

use sluicegate_policy::{Gate, WatchedKeys};
use sluicegate_stores::AnyStore;

use crate::pace::every;

/// Gives the gate the keys in the file again whenever it has changed. A file that cannot be read or understood changes
/// nothing: the old keys stay.
pub(crate) async fn watch(path: &Path, gate: &Gate<AnyStore>) {
    let mut pace = every(PACE);
    // Read once more at first: the file may have changed since the gate was given its keys.
    let mut watched = WatchedKeys::at(path);
    loop {
        pace.tick().await;
        match watched.changed(&gate.policy().tiers) {
            Some(Ok(keys)) => {
                tracing::info!(keys = keys.iter().len(), "read the API keys");
                gate.replace_api_keys(keys);
            }
            Some(Err(error)) => tracing::error!(%error, "the old API keys stay"),
            None => {}
        }
    }
}

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
