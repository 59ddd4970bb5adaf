//! Jobs beside the requests: the file of API keys, and the wait for an upstream that warms up.

use std::{future::Future, path::Path, time::Duration};

use sluicegate::Resilient;
use sluicegate_policy::{ApiKeysError, Gate, WatchedKeys};

/// A runtime's timer.
pub trait Timer {
    /// Waits for so long.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Gives the gate the API keys in a file again whenever the file has changed, and tells `heard` of it: the number of keys, or
/// the reason why the old ones stay. It never returns.
pub async fn watch_keys<S: Resilient>(
    path: &Path,
    gate: &Gate<S>,
    timer: &impl Timer,
    heard: impl Fn(Result<usize, ApiKeysError>),
) {
    // Read once more at first: the file may have changed since the gate was given its keys.
    let mut watched = WatchedKeys::at(path);
    loop {
        match watched.changed(&gate.policy().tiers) {
            Some(Ok(keys)) => {
                let number = keys.iter().len();
                gate.replace_api_keys(keys);
                heard(Ok(number));
            }
            Some(Err(error)) => heard(Err(error)),
            None => {}
        }
        timer.sleep(INTERVAL).await;
    }
}

/// Asks once a second until the answer is that the upstream is ready.
pub async fn until_ready<F: Future<Output = bool>>(timer: &impl Timer, ask: impl Fn() -> F) {
    while !ask().await {
        timer.sleep(INTERVAL).await;
    }
}

/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);
