//! Interim responses (1xx) of an upstream, on their way to a client of HTTP/1.1.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, StatusCode};

use crate::forward;

/// The interim responses of the request that runs on a client's connection. Clones are the same.
///
/// Hyper's server has no way to send them. So they wait here until the connection's stream writes them by itself, at a
/// moment when hyper has nothing to write, and the final response waits for that. Everything happens on one thread, and
/// the lock is what hyper's callback asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interims(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    unwritten: Vec<u8>,
    /// The first of them has been written in part.
    is_begun: bool,
    /// The task of the connection, which writes them.
    connection: Option<Waker>,
}

impl Interims {
    /// Has the task that awaits this woken when there is something to write.
    pub(crate) async fn attend(&self) {
        poll_fn(|cx| {
            let mut queue = self.queue();
            if !queue.connection.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                queue.connection = Some(cx.waker().clone());
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Takes an interim response, if it is one to pass on.
    pub(crate) fn push(&self, status: StatusCode, headers: &HeaderMap) {
        // The client has our own "100 Continue", and 101 is a final response.
        if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let mut queue = self.queue();
        // A client that does not read them does without.
        if queue.unwritten.len() > MOST_UNWRITTEN {
            return;
        }
        write_head(&mut queue.unwritten, status, headers);
        self.0.is_waiting.store(true, Relaxed);
        if let Some(connection) = &queue.connection {
            connection.wake_by_ref();
        }
    }

    /// Resolves when all are written.
    pub(crate) async fn written(&self) {
        poll_fn(|_| {
            if self.is_waiting() {
                // The connection's task wakes itself.
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Returns `true` if some are still to be written.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_waiting.load(Relaxed)
    }

    /// Returns `true` if one has been written in part: nothing else may be written before its end.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_waiting() && self.queue().is_begun
    }

    /// Writes all by `write`, which takes bytes and says how many it took.
    pub(crate) fn poll_write<E>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[u8]) -> Poll<Result<usize, E>>,
    ) -> Poll<Result<(), E>> {
        let mut queue = self.queue();
        while !queue.unwritten.is_empty() {
            let written = std::task::ready!(write(cx, &queue.unwritten))?;
            queue.unwritten.drain(..written);
            queue.is_begun = true;
        }
        queue.is_begun = false;
        self.0.is_waiting.store(false, Relaxed);
        // The final response may wait for that.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_head(to: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    let mut headers = headers.clone();
    // What frames a body, and what concerns the connection.
    forward::trailers(&mut headers);
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(status.as_str().as_bytes());
    to.push(b' ');
    to.extend_from_slice(status.canonical_reason().unwrap_or("Interim").as_bytes());
    to.extend_from_slice(b"\r\n");
    for (name, value) in &headers {
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"\r\n");
}

/// Maximum bytes that may wait for a client.
const MOST_UNWRITTEN: usize = 64 * 1024;
