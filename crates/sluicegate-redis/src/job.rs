//! A request on its way, and whoever waits for its answer.

use std::sync::{Arc, Mutex, PoisonError};

use sluicegate::StoreError;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{reply::Reply, request::Request};

/// A request on its way.
pub(crate) struct Job {
    /// Boxed, because it is large and moves often.
    pub(crate) request: Box<Request>,
    pub(crate) asker: Asker,
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

/// The caller that waits for a result, until it arrives or the time is up.
#[derive(Clone, Default)]
pub(crate) struct Asker(Arc<Mutex<Option<Answers>>>);

type Answers = oneshot::Sender<Result<Answer, StoreError>>;

/// An answer. Until somebody claims it, dropping it gives back the slots that were taken.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    release: Option<Box<(mpsc::WeakUnboundedSender<Job>, Request)>>,
}

impl Job {
    /// A request, and where its answer comes.
    pub(crate) fn new(request: Request) -> (Self, Awaited) {
        let (sender, receiver) = oneshot::channel();
        let asker = Asker(Arc::new(Mutex::new(Some(sender))));
        (Self { asker, ..Self::unattended(request) }, receiver)
    }

    /// The same for somebody who has time.
    pub(crate) fn patient(request: Request) -> (Self, Awaited) {
        let (job, answer) = Self::new(request);
        (Self { patient: true, ..job }, answer)
    }

    /// A request whose answer nobody waits for.
    pub(crate) fn unattended(request: Request) -> Self {
        let (sent, until) = (None, None);
        Self { request: Box::new(request), asker: Asker::default(), sent, until, hops: 0, patient: false }
    }
}

impl Asker {
    /// Answers, if nobody has.
    pub(crate) fn answer(&self, answer: Result<Answer, StoreError>) {
        if let Some(sender) = self.take() {
            // An answer that nobody wants any more is dropped.
            drop(sender.send(answer));
        }
    }

    /// Returns `true` if the result is still wanted.
    pub(crate) fn waits(&self) -> bool {
        self.lock().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    fn take(&self) -> Option<Answers> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answers>> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
