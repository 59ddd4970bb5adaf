//! Tokio's timer, and its tasks.

use std::time::Duration;

use sluicegate_http::{Settling, Timer};
use tokio::{runtime::Handle, time::sleep};

/// Tokio's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokio;

impl Timer for Tokio {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        sleep(duration)
    }
}

/// Finishes a settlement beside the requests, and tells what became of it. Without a runtime, nobody waits for it.
pub(crate) fn finish(
    settling: Settling,
    told: impl FnOnce(Result<(), sluicegate::StoreError>) + Send + 'static,
) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(async move { told(settling.await) }));
    }
}
