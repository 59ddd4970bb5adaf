//! A request on its way, and the caller that waits for its result.

use std::sync::Arc;

use sluicegate::StoreError;
use sluicegate_remote::OnceSender;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{reply::Reply, request::Request};

/// A request on its way.
pub(crate) struct Job {
    /// Boxed, because it is large and moves often.
    pub(crate) request: Box<Request>,
    pub(crate) reply_to: ReplyTo,
    /// The time when it was first sent: from then on it may have been executed.
    pub(crate) sent: Option<Instant>,
    /// The deadline of further tries, if it certainly was not done.
    pub(crate) until: Option<Instant>,
    /// The number of further tries so far.
    pub(crate) hops: u8,
    /// Set if its caller waits until there is a connection, however long that takes.
    pub(crate) patient: bool,
}

/// The receiver of a result.
pub(crate) type Awaited = oneshot::Receiver<Result<Answer, StoreError>>;

/// The sender of the result to a caller. The driver keeps one copy with the request and one with the deadline.
pub(crate) type ReplyTo = Arc<OnceSender<Result<Answer, StoreError>>>;

/// An answer. Until somebody claims it, dropping it gives back the slots that were taken.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    release: Option<Box<(mpsc::WeakUnboundedSender<Job>, Request)>>,
}

impl Job {
    /// A request, and where its answer comes.
    pub(crate) fn new(request: Request) -> (Self, Awaited) {
        let (reply_to, answer) = OnceSender::channel();
        (Self { reply_to, ..Self::unattended(request) }, answer)
    }

    /// The same for somebody who has time.
    pub(crate) fn patient(request: Request) -> (Self, Awaited) {
        let (job, answer) = Self::new(request);
        (Self { patient: true, ..job }, answer)
    }

    /// A request whose answer nobody waits for.
    pub(crate) fn unattended(request: Request) -> Self {
        let (sent, until) = (None, None);
        Self {
            request: Box::new(request),
            reply_to: ReplyTo::default(),
            sent,
            until,
            hops: 0,
            patient: false,
        }
    }
}

impl Answer {
    /// The answer to a request; `jobs` is where slots are given back that nobody wants.
    pub(crate) fn new(reply: Reply, request: &Request, jobs: &mpsc::WeakUnboundedSender<Job>) -> Self {
        let admitted = matches!(reply, Reply::Done { admitted: true, .. });
        let release = if admitted { request.release() } else { None };
        Self { reply, release: release.map(|release| Box::new((jobs.clone(), release))) }
    }

    /// The answer to a settlement that goes on without whoever asked for it.
    pub(crate) fn carried() -> Self {
        Self { reply: Reply::Carried, release: None }
    }

    /// The slots that it took are the caller's from now on.
    pub(crate) fn claim(mut self) {
        self.release = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((jobs, release)) = self.release.take().map(|release| *release)
            && let Some(jobs) = jobs.upgrade()
        {
            // It fails only when the store is gone, and the lease ends by itself.
            drop(jobs.send(Job::unattended(release)));
        }
    }
}
