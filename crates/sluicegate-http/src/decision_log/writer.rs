//! The thread that empties the queue into the file.

use std::{
    io, mem,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{
    file::{LogFile, Lost, lines_of},
    sink::{CAPACITY, Change, PLENTY, Queue, Shared, SinkEvent},
};

/// Writes lines to the file, on a thread of its own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    file: Option<Box<LogFile>>,
    /// The lines that are being written: the other half of the double buffer.
    lines: Vec<u8>,
    /// The lines that were dropped until the last time.
    dropped: u64,
    /// The same when the trouble began, if there is some, which has been told.
    trouble: Option<u64>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, file: None, lines: Vec::with_capacity(CAPACITY), dropped: 0, trouble: None }
    }

    pub(super) fn run(mut self) {
        loop {
            let (changes, is_closed) = self.next();
            let lines = mem::take(&mut self.lines);
            let mut written = 0;
            for (place, change) in changes {
                self.write(&lines[written..place]);
                self.change(change);
                written = place;
            }
            self.write(&lines[written..]);
            self.lines = lines;
            self.lines.clear();
            if is_closed {
                return;
            }
        }
    }

    /// Waits for lines, and for those that come soon after them, so that one write takes many.
    fn next(&mut self) -> (Vec<(usize, Change)>, bool) {
        let Self { shared, lines, .. } = self;
        let is_urgent = |queue: &Queue| !queue.changes.is_empty() || queue.is_closed;
        let idle = |queue: &mut Queue| queue.lines.is_empty() && !is_urgent(queue);
        let queue = shared.changed.wait_while(shared.queue(), idle).unwrap_or_else(PoisonError::into_inner);
        let few = |queue: &mut Queue| queue.lines.len() < PLENTY && !is_urgent(queue);
        let waited = shared.changed.wait_timeout_while(queue, SOON, few);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.lines, lines);
        (mem::take(&mut queue.changes), queue.is_closed)
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Begin(file, start) => {
                self.file = Some(file);
                self.write(&start);
            }
            Change::Resize(settings) => self.file.iter_mut().for_each(|file| file.resize(&settings)),
            Change::End => self.file = None,
        }
    }

    fn write(&mut self, lines: &[u8]) {
        let Some(file) = self.file.as_mut().filter(|_| !lines.is_empty()) else { return };
        let error = match file.write(lines) {
            Ok(()) => {
                self.shared.written.fetch_add(lines_of(lines), Ordering::Relaxed);
                None
            }
            Err(Lost { error, lines: lost }) => {
                self.shared.written.fetch_add(lines_of(lines) - lost, Ordering::Relaxed);
                self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
                Some(error)
            }
        };
        self.tell(error);
    }

    /// Tells of a trouble when it begins, and when it is over.
    fn tell(&mut self, error: Option<io::Error>) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let before = mem::replace(&mut self.dropped, dropped);
        let event = match (error, self.trouble) {
            (Some(error), None) => SinkEvent::Failing(error),
            (None, None) if dropped > before => SinkEvent::Overflowing,
            (None, Some(began)) if dropped == before => {
                self.trouble = None;
                return (self.shared.heard)(SinkEvent::Recovered(dropped - began));
            }
            _ => return,
        };
        self.trouble = Some(before);
        (self.shared.heard)(event);
    }
}

/// Until then, fewer wait for more.
const SOON: Duration = Duration::from_millis(200);
