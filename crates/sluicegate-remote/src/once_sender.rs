//! A reply to a caller, which one of several senders gives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The sending half of a channel for one value, shared by several parties, such as the task that learns the value and the
/// one that keeps the deadline. The first to send wins.
///
/// The default one is closed.
#[derive(Debug)]
pub struct OnceSender<T>(Mutex<Option<oneshot::Sender<T>>>);

impl<T> OnceSender<T> {
    /// Returns both halves of a new channel.
    #[must_use]
    pub fn channel() -> (Arc<Self>, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(sender)))), receiver)
    }

    /// Sends the value. Returns `false`, and drops it, if another sender was first or the receiver is gone.
    pub fn send(&self, value: T) -> bool {
        let sender = self.lock().take();
        sender.is_some_and(|sender| sender.send(value).is_ok())
    }

    /// Returns `true` if a value was sent, or the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<oneshot::Sender<T>>> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for OnceSender<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}
