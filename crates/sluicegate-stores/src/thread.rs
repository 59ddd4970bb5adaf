//! The thread that speaks with a store elsewhere.

use std::{
    fmt, io,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use sluicegate::StoreError;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::{interval, timeout},
};

/// A thread with a runtime of its own, for the tasks of one store. Dropping it, after the store, waits until they have
/// said what was left to say.
pub(crate) struct StoreThread {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreThread {
    pub(crate) fn start() -> Result<Self, StoreError> {
        let (started, start) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        // The runtime is made and dropped on its own thread, for one that runs another runtime may not drop it.
        let work = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                // The receiver is gone if the store was dropped already.
                let _ = started.send(Ok(runtime.handle().clone()));
                runtime.block_on(until_done(stopped));
            }
            Err(error) => drop(started.send(Err(error))),
        };
        let failed =
            |error: io::Error| StoreError::misconfigured(format!("no thread for the store: {error}"));
        let thread = thread::Builder::new().name(NAME.to_owned()).spawn(work).map_err(failed)?;
        let gone = |_| Err(io::Error::other("it ended before it began"));
        let runtime = start.recv().unwrap_or_else(gone).map_err(failed)?;
        Ok(Self { runtime, stop: Some(stop), thread: Some(thread) })
    }

    /// The runtime of the store's tasks.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Waits until the store is gone, and then until no task is left, but not for ever.
async fn until_done(stopped: oneshot::Receiver<()>) {
    // The expected result is an error: the sender is dropped.
    let _ = stopped.await;
    let tasks = Handle::current().metrics();
    let done = async {
        let mut interval = interval(INTERVAL);
        while tasks.num_alive_tasks() > 0 {
            interval.tick().await;
        }
    };
    let _ = timeout(LONGEST_GOODBYE, done).await;
}

impl Drop for StoreThread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for StoreThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

const NAME: &str = "sluicegate-store";
const INTERVAL: Duration = Duration::from_millis(1);
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);
