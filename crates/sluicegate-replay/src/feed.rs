//! The events of all inputs, read on a thread of their own.

use std::{
    mem, panic,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use crate::{Event, InputError, LogFormat, Wanted, merge::Merge, tally::Reading};

/// The events of all inputs. They are read on a thread of their own, because that takes about as long as to decide them.
pub(crate) struct Feed<'a> {
    files: &'a [PathBuf],
    format: &'a LogFormat,
    wanted: &'a Wanted,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(files: &'a [PathBuf], format: &'a LogFormat, wanted: &'a Wanted) -> Self {
        Self { files, format, wanted }
    }

    /// Gives all events to `take`, many at a time, with the number of bytes that have been read.
    pub(crate) fn each(self, mut take: impl FnMut(Vec<Event>, u64)) -> Result<Reading, InputError> {
        let read = Arc::new(AtomicU64::new(0));
        let (sender, events) = sync_channel(BATCHES);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut reading = Reading::default();
                let mut inputs = Merge::open(self.files, self.format, self.wanted, &read, &mut reading)?;
                let sender = sender;
                let mut batch = Vec::with_capacity(EVENTS);
                while let Some(event) = inputs.next(&mut reading)? {
                    batch.push(event);
                    // Nobody receives them if deciding has panicked.
                    if batch.len() == EVENTS
                        && sender.send(mem::replace(&mut batch, Vec::with_capacity(EVENTS))).is_err()
                    {
                        break;
                    }
                }
                let _ = sender.send(batch);
                Ok(reading)
            });
            for batch in events {
                take(batch, read.load(Ordering::Relaxed));
            }
            reading.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        })
    }
}

/// The events that are handed over at a time.
const EVENTS: usize = 1_000;

/// The most hand-overs that wait.
const BATCHES: usize = 8;
