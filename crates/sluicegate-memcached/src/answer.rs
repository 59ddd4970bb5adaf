//! The result that a caller waits for.

use std::sync::{Arc, Mutex, PoisonError};

use sluicegate::StoreError;
use tokio::sync::oneshot;

/// The result that a caller waits for. The first to have one delivers it: the worker with the response, or
/// the timer when the time is up.
#[derive(Debug)]
pub(crate) struct Answer<T>(Mutex<Option<oneshot::Sender<Result<T, StoreError>>>>);

impl<T> Answer<T> {
    /// An answer to be given, and where it will be.
    pub(crate) fn pair() -> (Arc<Self>, oneshot::Receiver<Result<T, StoreError>>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(sender)))), receiver)
    }

    /// Says it; `false` if something was said already or nobody listens any more.
    pub(crate) fn say(&self, answer: Result<T, StoreError>) -> bool {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        sender.is_some_and(|sender| sender.send(answer).is_ok())
    }

    /// Returns `true` if a caller still waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| !sender.is_closed())
    }
}

/// The operation common to all results: the time is up.
pub(crate) trait Awaited: Send + Sync {
    fn is_awaited(&self) -> bool;
    fn fail(&self, error: StoreError);
}

impl<T: Send> Awaited for Answer<T> {
    fn is_awaited(&self) -> bool {
        self.is_awaited()
    }

    fn fail(&self, error: StoreError) {
        self.say(Err(error));
    }
}
