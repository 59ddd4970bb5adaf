//! A request in flight, and the channel to the caller that waits for its reply.

use std::sync::Arc;

use sluicegate::StoreError;
use sluicegate_remote::OnceSender;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{reply::Reply, request::Request};

/// A request that waits to be sent, or is in flight.
pub(crate) struct Job {
    /// Boxed, because it is large and moves often.
    pub(crate) request: Box<Request>,
    pub(crate) reply_to: ReplyTo,
    /// The time when it was first sent. From then on it may have been executed.
    pub(crate) sent: Option<Instant>,
    /// The deadline for retries of a request that certainly was not executed.
    pub(crate) until: Option<Instant>,
    /// The number of retries so far.
    pub(crate) hops: u8,
    /// Set if its caller waits for a connection without a timeout.
    pub(crate) patient: bool,
}

/// The receiver of a reply.
pub(crate) type ReplyReceiver = oneshot::Receiver<Result<UnclaimedReply, StoreError>>;

/// The sender of the reply to a caller. The driver keeps one copy with the request and one with the deadline.
pub(crate) type ReplyTo = Arc<OnceSender<Result<UnclaimedReply, StoreError>>>;

/// A reply whose slots no caller has claimed yet. Dropping it gives them back.
pub(crate) struct UnclaimedReply {
    pub(crate) reply: Reply,
    release: Option<Box<(mpsc::WeakUnboundedSender<Job>, Request)>>,
}

impl Job {
    /// A request, and the receiver of its reply.
    pub(crate) fn new(request: Request) -> (Self, ReplyReceiver) {
        let (reply_to, receiver) = OnceSender::channel();
        (Self { reply_to, ..Self::unattended(request) }, receiver)
    }

    /// The same for a caller without a timeout.
    pub(crate) fn patient(request: Request) -> (Self, ReplyReceiver) {
        let (job, receiver) = Self::new(request);
        (Self { patient: true, ..job }, receiver)
    }

    /// A request whose reply no caller awaits.
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

impl UnclaimedReply {
    /// The reply to a request. Unclaimed slots are given back through `jobs`.
    pub(crate) fn new(reply: Reply, request: &Request, jobs: &mpsc::WeakUnboundedSender<Job>) -> Self {
        let admitted = matches!(reply, Reply::Done { admitted: true, .. });
        let release = if admitted { request.release() } else { None };
        Self { reply, release: release.map(|release| Box::new((jobs.clone(), release))) }
    }

    /// The reply to a settlement that is retried although its caller's deadline has passed.
    pub(crate) fn queued() -> Self {
        Self { reply: Reply::Queued, release: None }
    }

    /// Claims the slots that were taken: dropping the reply no longer gives them back.
    pub(crate) fn claim(mut self) {
        self.release = None;
    }
}

impl Drop for UnclaimedReply {
    fn drop(&mut self) {
        if let Some((jobs, release)) = self.release.take().map(|release| *release)
            && let Some(jobs) = jobs.upgrade()
        {
            // It fails only when the store is gone; then the lease expires.
            drop(jobs.send(Job::unattended(release)));
        }
    }
}
