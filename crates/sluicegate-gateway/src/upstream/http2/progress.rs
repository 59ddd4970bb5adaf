//! The progress of a request on its stream, and the end of its waits.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    io::idle_timer::IdleTimer,
    request::body::Incomplete,
    upstream::{Timeouts, Waiting},
};

/// The things that a stream waits for, reported by its two directions.
pub(super) struct Progress {
    waiting: Cell<Waiting>,
    /// The time when a byte of either body moved last, or the reason of the wait changed.
    moved: Cell<Instant>,
    timeouts: Timeouts,
    /// The end of the request, even if bytes still move.
    until: Option<Instant>,
    client_error: RefCell<Option<Incomplete>>,
}

/// Finds out when a stream has waited for too long.
pub(super) struct Overdue {
    progress: Rc<Progress>,
    timer: IdleTimer,
}

impl Progress {
    /// A request that is sent now.
    pub(super) fn new(timeouts: Timeouts, until: Option<Instant>) -> Self {
        Self {
            waiting: Cell::new(Waiting::Answer),
            moved: Cell::new(Instant::now()),
            timeouts,
            until,
            client_error: RefCell::default(),
        }
    }

    /// Sets the event to wait for from now on.
    pub(super) fn wait_for(&self, waiting: Waiting) {
        self.waiting.set(waiting);
        self.note_moved();
    }

    pub(super) fn waits_for(&self, waiting: Waiting) -> bool {
        self.waiting.get() == waiting
    }

    pub(super) fn note_moved(&self) {
        self.moved.set(Instant::now());
    }

    /// Notes whether the request's body has to come from the client yet; an answer that began early stays awaited.
    pub(super) fn note_request_body(&self, is_pending: bool) {
        match (self.waiting.get(), is_pending) {
            (Waiting::Answer, true) => self.wait_for(Waiting::Client),
            (Waiting::Client, false) => self.wait_for(Waiting::Answer),
            (_, false) => self.note_moved(),
            (_, true) => {}
        }
    }

    /// Notes that the request's body failed: it is the client's fault that the stream ends.
    pub(super) fn note_client_error(&self, error: Incomplete) {
        *self.client_error.borrow_mut() = Some(error);
    }

    pub(super) fn take_client_error(&self) -> Option<Incomplete> {
        self.client_error.borrow_mut().take()
    }

    /// Returns `true` if all of its time is over, even if bytes still move.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }

    fn due(&self) -> Instant {
        let due = self.moved.get() + self.timeouts.with(self.waiting.get());
        self.until.map_or(due, |until| due.min(until))
    }

    fn shortest(&self) -> Duration {
        self.timeouts.response.min(self.timeouts.idle)
    }
}

impl Overdue {
    pub(super) fn new(progress: &Rc<Progress>) -> Self {
        let mut timer = IdleTimer::new(progress.shortest());
        timer.fire_by(progress.due());
        Self { progress: Rc::clone(progress), timer }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Ready when nothing has moved for too long, or all the time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { progress, timer } = self;
        timer.poll_end(cx, || progress.shortest(), || progress.due())
    }
}
