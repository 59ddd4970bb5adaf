//! Nobody waits longer than the store's deadline.

use std::{fmt, sync::Arc, time::Duration};

use sluicegate::StoreError;
use sluicegate_remote::OnceSender;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep_until},
};

use crate::{
    link::{Pulse, id},
    place::Place,
};

/// Ends every caller's wait when its time is up, whatever else is stuck.
///
/// All wait equally long, so the first to come are the first to be late. The one task here sleeps until then,
/// and by that time nearly all later callers have their result.
#[derive(Clone)]
pub(crate) struct Timekeeper {
    timeout: Duration,
    promises: mpsc::Sender<Promise>,
}

/// An answer, and when it will be late.
struct Promise {
    deadline: Instant,
    answer: Arc<dyn Awaited>,
    /// The servers that are asked, as a set of bits.
    servers: u64,
}

impl Timekeeper {
    pub(crate) fn new(timeout: Duration, pulses: Vec<Pulse>, runtime: &Handle) -> Self {
        let (promises, mut receiver) = mpsc::channel::<Promise>(MOST);
        runtime.spawn(async move {
            while let Some(Promise { deadline, answer, servers }) = receiver.recv().await {
                if !answer.waits() {
                    continue;
                }
                sleep_until(deadline).await;
                if answer.waits() {
                    answer.fail(late(timeout, servers, &pulses));
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
    pub(crate) fn promise(&self, answer: Arc<dyn Awaited>, places: &[Place]) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.timeout;
        let servers = places.iter().fold(0, |servers, place| servers | 1 << place.server);
        self.promises.try_send(Promise { deadline, answer, servers }).map_err(|refused| match refused {
            TrySendError::Full(_) => {
                StoreError::new("too many decisions wait for memcached; is it overloaded?")
            }
            TrySendError::Closed(_) => StoreError::new("the runtime of the store has been shut down"),
        })
    }
}

/// A caller that waits for an answer of any type.
pub(crate) trait Awaited: Send + Sync {
    fn waits(&self) -> bool;
    fn fail(&self, error: StoreError);
}

impl<T: Send> Awaited for OnceSender<Result<T, StoreError>> {
    fn waits(&self) -> bool {
        !self.is_closed()
    }

    fn fail(&self, error: StoreError) {
        self.send(Err(error));
    }
}

impl fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timekeeper").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Of several servers, it names those that have been silent.
fn late(timeout: Duration, servers: u64, pulses: &[Pulse]) -> StoreError {
    let late = |server: &usize| {
        let asked = servers & (1 << server) != 0;
        asked && (servers.is_power_of_two() || pulses[*server].silence() >= timeout / 2)
    };
    let error = StoreError::new(format!(
        "memcached did not answer within {timeout:?}; is it up, near, and not overloaded? [store] timeout can be longer"
    ));
    (0..pulses.len()).filter(late).map(id).fold(error, StoreError::at)
}

/// The maximum number of callers that wait, or have waited within the last deadline.
const MOST: usize = 65_536;
