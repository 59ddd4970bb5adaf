//! Requests that go on to the end of the upstream's answer, whether their clients stay or not.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use http::response;
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{Notify, oneshot},
    task::spawn_local,
    time::timeout,
};

use crate::{
    request::{
        body::{Arrival, DetachedBody, Remains},
        framing,
        running::Running,
    },
    upstream::{Answered, SendError},
};

/// The requests of one worker that go on to the end of the upstream's answer. Clones share them.
///
/// Each has a task of its own. The client's connection waits for what the task finds out, and drops what it has when
/// the client leaves; then the task takes it up.
#[derive(Clone, Default)]
pub(crate) struct DetachedRequests(Rc<Tasks>);

#[derive(Default)]
struct Tasks {
    running: Cell<usize>,
    abandoned: Cell<usize>,
    ended: Notify,
}

/// The head of an upstream's answer and its body, or why there is none, with the request. `None` if that is not to be known.
pub(crate) type DetachedResponse = Result<(response::Parts, DetachedBody), Option<(SendError, Running)>>;

/// A request that goes on.
pub(crate) struct Request {
    /// The part of it that has arrived from the client.
    pub(crate) arrival: Arrival,
    pub(crate) running: Running,
    /// Maximum time for the upstream's answer once the client has left.
    pub(crate) bound: Duration,
}

impl DetachedRequests {
    /// Waits for `sending` on behalf of a client. When this future is dropped, or the body that it gives, the client
    /// has left: then the answer is read to its end and forgotten, unless the client left in the midst of its request.
    pub(crate) async fn send(
        &self,
        request: Request,
        sending: impl Future<Output = Result<Answered, SendError>> + 'static,
    ) -> DetachedResponse {
        let (client, answered) = oneshot::channel();
        spawn_local(self.clone().keep(request, sending, client));
        answered.await.unwrap_or(Err(None))
    }

    /// Requests whose clients have left.
    pub(crate) fn abandoned(&self) -> usize {
        self.0.abandoned.get()
    }

    /// Waits until every request has ended.
    pub(crate) async fn idle(&self) {
        while self.0.running.get() > 0 {
            self.0.ended.notified().await;
        }
    }

    async fn keep(
        self,
        request: Request,
        sending: impl Future<Output = Result<Answered, SendError>>,
        mut client: oneshot::Sender<DetachedResponse>,
    ) {
        let Request { arrival, mut running, bound } = request;
        let _task = Task::begin(&self.0);
        let gauge = running.abandoned().clone();
        let mut abandoned = None;
        let mut sending = pin!(sending);
        let sent = poll_fn(|cx| {
            if abandoned.is_none() && client.poll_closed(cx).is_ready() {
                if !arrival.is_whole() {
                    // There is nothing to finish: the upstream will never have the request.
                    return Poll::Ready(None);
                }
                abandoned = Some(Abandoned::begin(&self.0, &gauge));
            }
            sending.as_mut().poll(cx).map(Some)
        });
        let Answered { response, exchange } = match sent.await {
            None => return,
            Some(Err(error)) => return drop(client.send(Err(Some((error, running))))),
            Some(Ok(answered)) => answered,
        };
        let (head, incoming) = response.into_parts();
        running.answered(&head, exchange.address());
        let is_bare = framing::is_without_content(head.status);
        let (body, left) = DetachedBody::new(Remains { incoming, exchange, running }, is_bare);
        // A client that has left does not take it, and it is dropped as one whose client leaves now.
        drop(client.send(Ok((head, body))));
        if let Ok(remains) = left.await {
            let _abandoned = abandoned.unwrap_or_else(|| Abandoned::begin(&self.0, &gauge));
            // What takes longer is cut off.
            let _ = timeout(bound, remains.discard()).await;
        }
    }
}

/// A task of a detached request, counted while it lives.
struct Task(Rc<Tasks>);

impl Task {
    fn begin(tasks: &Rc<Tasks>) -> Self {
        tasks.running.set(tasks.running.get() + 1);
        Self(Rc::clone(tasks))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.ended.notify_one();
    }
}

/// A request whose client has left, counted while it lives.
struct Abandoned {
    tasks: Rc<Tasks>,
    gauge: Gauge,
}

impl Abandoned {
    fn begin(tasks: &Rc<Tasks>, gauge: &Gauge) -> Self {
        tasks.abandoned.set(tasks.abandoned.get() + 1);
        gauge.inc();
        Self { tasks: Rc::clone(tasks), gauge: gauge.clone() }
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.tasks.abandoned.set(self.tasks.abandoned.get() - 1);
        self.gauge.dec();
    }
}
