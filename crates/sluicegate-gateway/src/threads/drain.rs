//! The signal that tells every listener and connection to finish.

use std::{future::pending, time::Duration};

use sluicegate_policy::GatewaySettings;
use tokio::{sync::watch, time::sleep};

/// Starts draining; dropping it without draining means "stop at once".
#[derive(Debug)]
pub(crate) struct Drain(watch::Sender<bool>);

impl Drain {
    /// A drain that has not begun, and its receiver.
    pub(crate) fn new() -> (Self, Draining) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Draining(receiver))
    }

    /// Tells all tasks to finish running requests and to accept no new ones.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }
}

/// Waits for the drain to begin.
#[derive(Clone, Debug)]
pub(crate) struct Draining(watch::Receiver<bool>);

impl Draining {
    /// Resolves when draining begins.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the gateway was dropped: there is no time left to finish anything.
    pub(crate) async fn begun(&mut self) -> Result<(), Stopped> {
        self.0.wait_for(|draining| *draining).await.map(|_| ()).map_err(|_| Stopped)
    }

    /// Resolves some time after draining has begun; never where there is no drain.
    pub(crate) async fn over(&mut self, bound: Duration) {
        self.there().await;
        sleep(bound).await;
    }

    /// Resolves when draining begins; never where there is no drain.
    pub(crate) async fn there(&mut self) {
        if self.begun().await.is_err() {
            pending::<()>().await;
        }
    }

    /// Returns `true` if draining has begun.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the gateway is dropped.
    pub(crate) async fn stopped(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The time that an idle connection is kept after the drain has begun, for one more request.
pub(crate) fn pause(settings: &GatewaySettings) -> Duration {
    settings.drain_idle_timeout.min(settings.drain_timeout / 2)
}

/// The gateway was dropped.
#[derive(Debug)]
pub(crate) struct Stopped;
