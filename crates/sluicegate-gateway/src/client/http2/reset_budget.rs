//! A budget for HTTP/2 requests that a client resets before they are answered.

use std::{cell::Cell, fmt, rc::Rc, time::Duration};

use tokio::{sync::Notify, time::Instant};

/// Counts the requests of one connection that its client gives up before their answers have ended. Clones share the count.
///
/// Giving up a request costs the client a few bytes, and frees its place for the next one at once. So the
/// number of concurrent requests does not bound the number of those begun (CVE-2023-44487). So there is one
/// for those that are given up, however it is done: by resetting the stream, or by having us reset it
/// (CVE-2025-8671).
#[derive(Clone)]
pub(super) struct ResetBudget(Rc<Shared>);

struct Shared {
    most: usize,
    count: Cell<usize>,
    since: Cell<Instant>,
    exceeded: Notify,
}

/// A request that counts as given up if it is dropped before it has [`ended`](OpenRequest::ended).
pub(super) struct OpenRequest(Option<ResetBudget>);

/// The client has given up more requests than it may.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct TooMany;

impl ResetBudget {
    /// At most so many within [`SPAN`].
    pub(super) fn new(most: usize) -> Self {
        let (count, since, exceeded) = (Cell::new(0), Cell::new(Instant::now()), Notify::new());
        Self(Rc::new(Shared { most, count, since, exceeded }))
    }

    /// Counts a request that has arrived.
    pub(super) fn open(&self) -> OpenRequest {
        OpenRequest(Some(self.clone()))
    }

    /// Resolves when there are more than there may be.
    pub(super) async fn exceeds(&self) {
        self.0.exceeded.notified().await;
    }

    fn note(&self) {
        let shared = &*self.0;
        let now = Instant::now();
        if now.duration_since(shared.since.get()) >= SPAN {
            shared.since.set(now);
            shared.count.set(0);
        }
        shared.count.set(shared.count.get() + 1);
        if shared.count.get() > shared.most {
            shared.exceeded.notify_one();
        }
    }
}

impl OpenRequest {
    /// The answer has ended, well or not.
    pub(super) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if let Some(reset_budget) = self.0.take() {
            reset_budget.note();
        }
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client gave up more requests than it may")
    }
}

impl std::error::Error for TooMany {}

/// The time for which the limit is given.
const SPAN: Duration = Duration::from_secs(10);
