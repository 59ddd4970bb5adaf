//! Nobody waits longer than the store's deadline.

use std::{fmt, sync::Arc, time::Duration};

use sluicegate::StoreError;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep_until},
};

use crate::answer::Awaited;

/// Ends every caller's wait when its time is up, whatever else is stuck.
///
/// All wait equally long, so those who came first are first to be late: the one task here sleeps until the first of them
/// would be, and by then nearly all who came meanwhile have their answer.
#[derive(Clone)]
pub(crate) struct Timekeeper {
    timeout: Duration,
    promises: mpsc::Sender<(Instant, Arc<dyn Awaited>)>,
}

impl Timekeeper {
    pub(crate) fn new(timeout: Duration, runtime: &Handle) -> Self {
        let (promises, mut receiver) = mpsc::channel::<(Instant, Arc<dyn Awaited>)>(MOST);
        runtime.spawn(async move {
            while let Some((deadline, answer)) = receiver.recv().await {
                if !answer.is_awaited() {
                    continue;
                }
                sleep_until(deadline).await;
                if answer.is_awaited() {
                    answer.fail(late(timeout));
                }
            }
        });
        Self { timeout, promises }
    }

    /// Promises an answer in time.
    ///
    /// # Errors
    ///
    /// When too many wait, or the runtime has been shut down.
    pub(crate) fn promise(&self, answer: Arc<dyn Awaited>) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.timeout;
        self.promises.try_send((deadline, answer)).map_err(|refused| match refused {
            TrySendError::Full(_) => {
                StoreError::new("too many decisions wait for memcached; is it overloaded?")
            }
            TrySendError::Closed(_) => StoreError::new("the runtime of the store has been shut down"),
        })
    }
}

impl fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timekeeper").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn late(timeout: Duration) -> StoreError {
    StoreError::new(format!(
        "memcached did not answer within {timeout:?}; is it up, near, and not overloaded? [store] timeout can be longer"
    ))
}

/// Who waits, and who has waited within the last deadline.
const MOST: usize = 65_536;
