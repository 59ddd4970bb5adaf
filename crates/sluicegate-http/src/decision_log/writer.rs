//! The thread that empties the queue into the file.

use std::{io, mem, sync::Arc};

use super::{
    SinkEvent,
    backlog::{Backlog, Change, Item, LANES, PLENTY},
    file::{LogFile, Lost},
    lane::Batch,
};

/// Writes lines to the file, on a thread of its own.
pub(super) struct Writer {
    backlog: Arc<Backlog>,
    file: Option<Box<LogFile>>,
    /// Buffers for the lanes to go on in.
    empty: Vec<Vec<u8>>,
    /// The lines that were dropped until the last time.
    dropped: u64,
    /// The same when the trouble began, if there is some, which has been told.
    trouble: Option<u64>,
}

impl Writer {
    pub(super) fn new(backlog: Arc<Backlog>) -> Self {
        Self { backlog, file: None, empty: Vec::new(), dropped: 0, trouble: None }
    }

    pub(super) fn run(mut self) {
        loop {
            let (items, is_closed) = self.backlog.wait(&mut self.empty);
            for item in items {
                match item {
                    Item::Lines(batch) => self.batch(batch),
                    Item::Change(change) => self.change(change),
                }
            }
            if is_closed {
                return;
            }
        }
    }

    fn batch(&mut self, batch: Batch) {
        let Batch { mut bytes, lines, room } = batch;
        self.write(&bytes, lines);
        self.backlog.free(room);
        bytes.clear();
        // One that a slow disk has made large is given back.
        bytes.shrink_to(2 * PLENTY);
        if self.empty.len() < LANES {
            self.empty.push(bytes);
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Begin(file, start) => {
                self.file = Some(file);
                self.write(&start, 1);
            }
            Change::Resize(settings) => self.file.iter_mut().for_each(|file| file.resize(&settings)),
            Change::End => self.file = None,
        }
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        let Some(file) = &mut self.file else { return };
        let (lost, error) = match file.write(bytes) {
            Ok(()) => (0, None),
            Err(Lost { error, lines }) => (lines, Some(error)),
        };
        let dropped = self.backlog.count(lines - lost, lost);
        self.tell(error, dropped);
    }

    /// Tells of a trouble when it begins, and when it is over.
    fn tell(&mut self, error: Option<io::Error>, dropped: u64) {
        let before = mem::replace(&mut self.dropped, dropped);
        let event = match (error, self.trouble) {
            (Some(error), None) => SinkEvent::Failing(error),
            (None, None) if dropped > before => SinkEvent::Overflowing,
            (None, Some(began)) if dropped == before => {
                self.trouble = None;
                return self.backlog.tell(SinkEvent::Recovered(dropped - began));
            }
            _ => return,
        };
        self.trouble = Some(before);
        self.backlog.tell(event);
    }
}
