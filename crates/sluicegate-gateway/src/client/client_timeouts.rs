//! Timeouts of a client that sends nothing: during a head, and between two requests.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt;
use tokio::time::{Instant, sleep};

use crate::io::idle_timer::IdleTimer;

/// The timeouts of one connection's client, by the input that the connection waits for: a head, the next request, or
/// nothing.
///
/// Hyper uses it as its timer. It sets a timer when it begins to wait for a head, and drops it when the head is there. So
/// a request costs no timer. Clones share their state. All of them are on one thread; hyper's traits require the atomics.
#[derive(Clone)]
pub(super) struct ClientTimeouts(Arc<Shared>);

struct Shared {
    began: Instant,
    waiting: AtomicU8,
    /// In milliseconds from the beginning.
    since: AtomicU64,
    running: AtomicUsize,
}

/// A running request, whose client has nothing to send.
pub(super) struct Busy(ClientTimeouts);

/// Hyper's timer for a head. It never fires.
struct Head(ClientTimeouts);

impl ClientTimeouts {
    /// The timeouts of a connection that waits for its first head.
    pub(super) fn new() -> Self {
        let (waiting, since) = (AtomicU8::new(HEAD), AtomicU64::new(0));
        Self(Arc::new(Shared { began: Instant::now(), waiting, since, running: AtomicUsize::new(0) }))
    }

    /// Resolves when the client has sent nothing for too long: for `head` since it began a head, or for `keep_alive`
    /// since its last request ended.
    pub(super) async fn expired(&self, head: Duration, keep_alive: Duration) {
        let shortest = head.min(keep_alive);
        let due = || {
            let since = self.0.began + Duration::from_millis(self.0.since.load(Relaxed));
            match self.0.waiting.load(Relaxed) {
                HEAD => since + head,
                REQUEST => since + keep_alive,
                _ => Instant::now() + shortest,
            }
        };
        IdleTimer::ended(|| shortest, due).await;
    }

    /// Resolves when no request has run for `bound` since the client was told to end the connection.
    ///
    /// Hyper sends a ping and waits for its acknowledgement, which may never come.
    pub(super) async fn shutdown_ignored(&self, bound: Duration) {
        sleep(bound).await;
        self.expired(bound, bound).await;
    }

    /// Notes that the client has sent something. Between two requests, a head has begun.
    pub(super) fn note_read(&self) {
        if self.0.waiting.load(Relaxed) == REQUEST {
            self.wait_for(HEAD);
        }
    }

    /// Returns `true` while hyper waits for a head, or for the rest of one.
    pub(super) fn awaits_head(&self) -> bool {
        self.0.waiting.load(Relaxed) != NOTHING
    }

    /// Marks a request of HTTP/2 as running until the result is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.0.running.fetch_add(1, Relaxed);
        self.wait_for(NOTHING);
        Busy(self.clone())
    }

    fn wait_for(&self, waiting: u8) {
        let since = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.since.store(since, Relaxed);
        self.0.waiting.store(waiting, Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.0.running.fetch_sub(1, Relaxed) == 1 {
            self.0.wait_for(REQUEST);
        }
    }
}

impl rt::Timer for ClientTimeouts {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn rt::Sleep>> {
        // The first head is awaited from the beginning.
        if self.0.waiting.load(Relaxed) == NOTHING {
            self.wait_for(REQUEST);
        }
        Box::pin(Head(self.clone()))
    }

    fn now(&self) -> std::time::Instant {
        // Hyper uses it only to compute a deadline, which `sleep_until` ignores.
        self.0.began.into_std()
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

impl rt::Sleep for Head {}

impl Future for Head {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        // Without a wait, the time does not matter.
        self.0.0.waiting.store(NOTHING, Relaxed);
    }
}

const NOTHING: u8 = 0;
const HEAD: u8 = 1;
const REQUEST: u8 = 2;
