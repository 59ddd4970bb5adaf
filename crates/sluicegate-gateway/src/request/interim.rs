//! Interim responses (1xx) on their way to a client: those of an upstream, and our own "100 Continue" of HTTP/2.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, Response, StatusCode};

use crate::request::forward;

/// The interim responses of the request that runs on a client's connection of HTTP/1.1, or on a stream of HTTP/2. Clones are
/// the same.
///
/// They wait here until the task that serves the request sends them, and the final response waits for that. Hyper's server has
/// no way to send them by HTTP/1.1: there the connection's stream writes them by itself, at a moment when hyper has nothing to
/// write. Everything happens on one thread, and the lock is what hyper's callback asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interims(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    heads: VecDeque<Response<()>>,
    /// The bytes of these heads.
    size: usize,
    /// The rest of a head that is being written by HTTP/1.1.
    unwritten: Vec<u8>,
    /// It has been written in part.
    is_begun: bool,
    /// The task that sends them.
    task: Option<Waker>,
}

impl Interims {
    /// Has the task that is being polled woken when there is something to send.
    pub(crate) fn attend(&self, cx: &Context<'_>) {
        let mut queue = self.queue();
        if !queue.task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            queue.task = Some(cx.waker().clone());
        }
    }

    /// Takes an interim response of an upstream, if it is one to pass on.
    pub(crate) fn push(&self, status: StatusCode, headers: &HeaderMap) {
        // The client has our own "100 Continue", and 101 is a final response.
        if matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS) {
            return;
        }
        let mut headers = headers.clone();
        // What frames a body, and what concerns the connection.
        forward::trailers(&mut headers);
        self.put(status, headers);
    }

    /// Invites the client to send the body of its request.
    pub(crate) fn invite(&self) {
        self.put(StatusCode::CONTINUE, HeaderMap::new());
    }

    fn put(&self, status: StatusCode, headers: HeaderMap) {
        let mut queue = self.queue();
        // A client that does not read them does without.
        if queue.size > MOST_WAITING {
            return;
        }
        let mut head = Response::new(());
        *head.status_mut() = status;
        *head.headers_mut() = headers;
        queue.size += size(&head);
        queue.heads.push_back(head);
        self.0.is_waiting.store(true, Relaxed);
        if let Some(task) = &queue.task {
            task.wake_by_ref();
        }
    }

    /// Resolves when all are sent.
    pub(crate) async fn sent(&self) {
        poll_fn(|_| {
            if self.is_waiting() {
                // The task that sends them polls this again.
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Returns `true` if some are still to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_waiting.load(Relaxed)
    }

    /// Takes all that wait.
    pub(crate) fn take(&self) -> VecDeque<Response<()>> {
        let mut queue = self.queue();
        queue.size = 0;
        self.0.is_waiting.store(false, Relaxed);
        std::mem::take(&mut queue.heads)
    }

    /// Returns `true` if one has been written in part: nothing else may be written before its end.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_waiting() && self.queue().is_begun
    }

    /// Writes all as HTTP/1.1 has them by `write`, which takes bytes and says how many it took.
    pub(crate) fn poll_write<E>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[u8]) -> Poll<Result<usize, E>>,
    ) -> Poll<Result<(), E>> {
        let mut queue = self.queue();
        let queue = &mut *queue;
        loop {
            while !queue.unwritten.is_empty() {
                let written = std::task::ready!(write(cx, &queue.unwritten))?;
                queue.unwritten.drain(..written);
                queue.is_begun = true;
            }
            queue.is_begun = false;
            let Some(head) = queue.heads.pop_front() else { break };
            queue.size -= size(&head);
            write_head(&mut queue.unwritten, &head);
        }
        self.0.is_waiting.store(false, Relaxed);
        // The final response may wait for that.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that a head has in HTTP/1.1, or somewhat more.
fn size(head: &Response<()>) -> usize {
    let fields = head.headers().iter();
    fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + STATUS_LINE
}

fn write_head(to: &mut Vec<u8>, head: &Response<()>) {
    let status = head.status();
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(status.as_str().as_bytes());
    to.push(b' ');
    to.extend_from_slice(status.canonical_reason().unwrap_or("Interim").as_bytes());
    to.extend_from_slice(b"\r\n");
    for (name, value) in head.headers() {
        to.extend_from_slice(name.as_str().as_bytes());
        to.extend_from_slice(b": ");
        to.extend_from_slice(value.as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"\r\n");
}

/// Maximum bytes that may wait for a client.
const MOST_WAITING: usize = 64 * 1024;

/// The bytes of a status line, and of the empty line at the end of a head.
const STATUS_LINE: usize = 32;
