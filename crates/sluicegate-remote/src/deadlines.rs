//! The deadlines of callers that wait.

use std::collections::VecDeque;

use tokio::time::Instant;

/// The callers that wait for an answer, in the order of their deadlines.
///
/// All of them wait equally long, so those who came first are first to be late, and nothing has to be sorted. Callers that
/// were answered leave as soon as they are first: at a high rate, nearly all have gone long before their time is up.
#[derive(Debug)]
pub struct Deadlines<C> {
    queue: VecDeque<(Instant, C)>,
}

/// A caller that may have been answered meanwhile.
pub trait Caller {
    /// Returns `true` if the caller still waits.
    fn waits(&self) -> bool;
}

impl<C: Caller> Deadlines<C> {
    /// Adds a caller. Its deadline is no earlier than those of the callers before it.
    pub fn push(&mut self, deadline: Instant, caller: C) {
        self.forget_answered();
        self.queue.push_back((deadline, caller));
    }

    /// Returns the deadline of the first caller that still waits.
    pub fn first(&mut self) -> Option<Instant> {
        self.forget_answered();
        self.queue.front().map(|(deadline, _)| *deadline)
    }

    /// Takes out the first caller that still waits, if its time is up.
    pub fn pop_late(&mut self, now: Instant) -> Option<C> {
        self.forget_answered();
        self.queue.pop_front_if(|(deadline, _)| *deadline <= now).map(|(_, caller)| caller)
    }

    /// Returns the number of callers, some of which may have been answered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns `true` if there is no caller.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn forget_answered(&mut self) {
        while self.queue.pop_front_if(|(_, caller)| !caller.waits()).is_some() {}
    }
}

impl<C> Default for Deadlines<C> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}
