//! The state of the connection to one server.

use std::time::Duration;

use redis::RedisError;
use sluicegate_remote::Backoff;
use tokio::time::Instant;

use crate::link::Link;

/// The state of the connection to one server. A lost connection is opened again at once, and if that does not help, after
/// pauses that grow.
pub(crate) struct LinkState {
    state: State,
    /// Counts connections, so that news of one that is gone are not taken for news of this one.
    generation: u64,
    /// Counts the connections that could not be opened, or broke, since one was of use.
    backoff: Backoff,
    /// `true` if there has been a connection before.
    pub(crate) was_open: bool,
}

enum State {
    /// Not needed.
    Closed,
    Opening,
    Open {
        link: Link,
        since: Instant,
    },
    Broken {
        error: RedisError,
        since: Instant,
        again: Instant,
    },
}

impl LinkState {
    /// The connection, and its generation.
    pub(crate) fn link(&self) -> Option<(&Link, u64)> {
        match &self.state {
            State::Open { link, .. } => Some((link, self.generation)),
            State::Closed | State::Opening | State::Broken { .. } => None,
        }
    }

    /// The reason that no command can be sent now.
    pub(crate) fn trouble(&self) -> Option<&RedisError> {
        match &self.state {
            State::Broken { error, .. } => Some(error),
            State::Closed | State::Opening | State::Open { .. } => None,
        }
    }

    /// Returns the time of the next try to open it.
    pub(crate) fn again(&self) -> Option<Instant> {
        match &self.state {
            State::Broken { again, .. } => Some(*again),
            State::Closed | State::Opening | State::Open { .. } => None,
        }
    }

    /// Brings the next try forward because a caller waits, and returns its time. `None` if it is open or opening.
    pub(crate) fn hasten(&mut self) -> Option<Instant> {
        let State::Broken { since, again, .. } = &mut self.state else { return None };
        *again = (*again).min(*since + Backoff::WHILE_AWAITED);
        Some(*again)
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns `true` if it was lost or could not be opened, and is still needed.
    pub(crate) fn ails(&self) -> bool {
        self.backoff.has_failed() && matches!(self.state, State::Opening | State::Broken { .. })
    }

    /// Returns `true` if this is the current generation.
    pub(crate) fn is(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// Is about to be opened; returns the generation of that connection.
    pub(crate) fn open(&mut self) -> u64 {
        self.state = State::Opening;
        self.generation += 1;
        self.generation
    }

    pub(crate) fn opened(&mut self, link: Link) {
        self.state = State::Open { link, since: Instant::now() };
        self.was_open = true;
    }

    /// The connection of this generation was of use.
    pub(crate) fn answered(&mut self, generation: u64) {
        if self.is(generation) {
            self.backoff.reset();
        }
    }

    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.generation += 1;
        self.backoff.reset();
    }

    /// It broke. `true` if it should be opened again at once: a connection that has lasted is no sign of trouble when it
    /// ends.
    pub(crate) fn lost(&mut self, error: &RedisError) -> bool {
        if matches!(self.state, State::Open { since, .. } if since.elapsed() >= LASTING) {
            self.backoff.reset();
        }
        let at_once = !self.backoff.has_failed();
        self.fail(error);
        at_once
    }

    /// It could not be opened, or broke: it is tried again after a pause.
    pub(crate) fn fail(&mut self, error: &RedisError) {
        let since = Instant::now();
        let again = since + self.backoff.fail();
        self.state = State::Broken { error: error.clone(), since, again };
    }
}

impl Default for LinkState {
    fn default() -> Self {
        let backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
        Self { state: State::Closed, generation: 0, backoff, was_open: false }
    }
}

/// Before the first try to connect again, or to settle again.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// The age from which a connection counts as good, even if it was never used.
const LASTING: Duration = Duration::from_millis(500);
