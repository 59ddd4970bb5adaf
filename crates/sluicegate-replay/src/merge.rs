//! Several inputs as one.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use crate::{
    Event, InputError, LogFormat, Moment, Wanted,
    input::{Input, Next},
    tally::Reading,
};

/// Several inputs as one: the input with the earliest event is read next. So rotated files may be given in any order, and
/// the logs of gateways that ran side by side are one log.
pub(crate) struct Merge {
    inputs: Vec<Input>,
    /// The next event of each input that has one.
    next: BinaryHeap<Reverse<(Moment, usize)>>,
    events: Vec<Option<Event>>,
}

impl Merge {
    /// Opens the inputs.
    pub(crate) fn open(
        paths: &[PathBuf],
        format: &LogFormat,
        wanted: &Wanted,
        progress: &Arc<AtomicU64>,
        reading: &mut Reading,
    ) -> Result<Self, InputError> {
        let inputs = paths.iter().map(|path| Input::open(path, format, wanted, progress));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let events = inputs.iter().map(|_| None).collect();
        let mut merge = Self { inputs, next: BinaryHeap::new(), events };
        for input in 0..merge.inputs.len() {
            merge.read(input, reading)?;
        }
        Ok(merge)
    }

    /// Returns the next event of all inputs.
    pub(crate) fn next(&mut self, reading: &mut Reading) -> Result<Option<Event>, InputError> {
        let Some(Reverse((_, input))) = self.next.pop() else { return Ok(None) };
        let event = self.events[input].take();
        self.read(input, reading)?;
        Ok(event)
    }

    /// Reads an input until it has an event, and counts what is none.
    fn read(&mut self, input: usize, reading: &mut Reading) -> Result<(), InputError> {
        loop {
            match self.inputs[input].next()? {
                Next::Event(event) => {
                    self.next.push(Reverse((event.time(), input)));
                    self.events[input] = Some(event);
                    return Ok(());
                }
                Next::Skipped => reading.skipped += 1,
                Next::Unreadable(line) => reading.unreadable(line),
                Next::End => return Ok(()),
            }
        }
    }
}
