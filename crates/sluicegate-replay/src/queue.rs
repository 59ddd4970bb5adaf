//! Events in the order of time.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{Event, Moment};

/// Puts events in the order of time. Those of one moment stay in the order in which they came.
///
/// A log is written when requests end, so a request that took long comes late. An event waits here until the newest is
/// [`PATIENCE`] later, or until too many wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BinaryHeap<Reverse<(Moment, u64, usize)>>,
    /// Events by their places, which the heap moves instead of them.
    waiting: Vec<Option<Event>>,
    free: Vec<usize>,
    pushed: u64,
    newest: Moment,
}

impl Queue {
    /// Takes an event.
    pub(crate) fn push(&mut self, event: Event) {
        let time = event.time();
        self.newest = self.newest.max(time);
        let place = match self.free.pop() {
            Some(place) => {
                self.waiting[place] = Some(event);
                place
            }
            None => {
                self.waiting.push(Some(event));
                self.waiting.len() - 1
            }
        };
        self.order.push(Reverse((time, self.pushed, place)));
        self.pushed += 1;
    }

    /// Returns the next event, if none that comes later in the log is expected before it.
    pub(crate) fn pop_due(&mut self) -> Option<Event> {
        let Reverse((time, ..)) = self.order.peek()?;
        let is_due = time.later(PATIENCE) < self.newest || self.order.len() > MOST;
        if is_due { self.pop() } else { None }
    }

    /// Returns the next event.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let Reverse((_, _, place)) = self.order.pop()?;
        self.free.push(place);
        self.waiting[place].take()
    }
}

/// Nanoseconds: ten minutes.
const PATIENCE: u64 = 600_000_000_000;

/// The most events that wait, some 400 bytes each.
const MOST: usize = 100_000;
