//! The deadlines of callers.

use std::{fmt, sync::Arc, time::Duration};

use sluicegate::StoreError;
use sluicegate_remote::{Caller, Deadlines, OnceSender};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep_until},
};

use crate::{
    link::{ReplyDelay, id},
    location::Location,
};

/// Ends every caller's wait when its time is up, whatever else is stuck.
///
/// The one task here sleeps until the first caller would be late, and by then nearly all that came meanwhile have their
/// answer. So a caller that is answered in time wakes it seldom.
#[derive(Clone)]
pub(crate) struct DeadlineKeeper {
    timeout: Duration,
    callers: mpsc::Sender<(Instant, Waiting)>,
}

/// A caller that waits, and the servers that it waits for, as a set of bits.
struct Waiting {
    reply_to: Arc<dyn Awaited>,
    servers: u64,
}

impl DeadlineKeeper {
    pub(crate) fn new(timeout: Duration, reply_delays: Vec<ReplyDelay>, runtime: &Handle) -> Self {
        let (callers, mut receiver) = mpsc::channel(MOST);
        runtime.spawn(async move {
            let mut deadlines = Deadlines::<Waiting>::default();
            while let Some((deadline, caller)) = receiver.recv().await {
                deadlines.push(deadline, caller);
                while let Some(first) = deadlines.first() {
                    sleep_until(first).await;
                    while let Some(caller) = deadlines.pop_late(Instant::now()) {
                        caller.reply_to.fail(late(timeout, caller.servers, &reply_delays));
                    }
                    while deadlines.len() < MOST
                        && let Ok((deadline, caller)) = receiver.try_recv()
                    {
                        deadlines.push(deadline, caller);
                    }
                }
            }
        });
        Self { timeout, callers }
    }

    /// Adds a caller, which gets an error at its deadline if it has no reply until then.
    ///
    /// # Errors
    ///
    /// When too many wait, or the runtime has been shut down.
    pub(crate) fn add(&self, reply_to: Arc<dyn Awaited>, locations: &[Location]) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.timeout;
        let servers = locations.iter().fold(0, |servers, location| servers | 1 << location.server);
        self.callers.try_send((deadline, Waiting { reply_to, servers })).map_err(|refused| match refused {
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

impl Caller for Waiting {
    fn waits(&self) -> bool {
        self.reply_to.waits()
    }
}

impl<T: Send> Awaited for OnceSender<Result<T, StoreError>> {
    fn waits(&self) -> bool {
        !self.is_closed()
    }

    fn fail(&self, error: StoreError) {
        self.send(Err(error));
    }
}

impl fmt::Debug for DeadlineKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineKeeper").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Returns the error of a late answer. Of several servers, it names those that have been silent.
fn late(timeout: Duration, servers: u64, reply_delays: &[ReplyDelay]) -> StoreError {
    let late = |server: &usize| {
        let asked = servers & (1 << server) != 0;
        asked && (servers.is_power_of_two() || reply_delays[*server].elapsed() >= timeout / 2)
    };
    let error = StoreError::new(format!(
        "memcached did not answer within {timeout:?}; is it up, near, and not overloaded? [store] timeout can be longer"
    ));
    (0..reply_delays.len()).filter(late).map(id).fold(error, StoreError::at)
}

/// The most callers that wait, or have waited within the last deadline; more are refused.
const MOST: usize = 65_536;
