//! The lines that one worker has written and that wait for the disk.

use super::line::Line;

/// The lines of one worker, or of a few, that wait for the disk.
///
/// Each worker writes to a lane of its own, so that workers share no memory while they write.
#[derive(Debug)]
pub(super) struct Lane {
    line: Line,
    /// The number of whole lines.
    lines: u64,
    /// The bytes of whole lines.
    whole: usize,
    /// The bytes for which there is room.
    room: usize,
    /// The number of the next request.
    request: u64,
}

/// Whole lines on their way to the disk.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
    /// The room that they have taken.
    pub(super) room: usize,
}

impl Lane {
    /// An empty lane, whose first request has this number.
    pub(super) fn new(request: u64) -> Self {
        Self { line: Line::default(), lines: 0, whole: 0, room: 0, request }
    }

    /// Returns the number of the next request, and adds `step` to that of the one after it.
    #[inline]
    pub(super) fn request(&mut self, step: u64) -> u64 {
        let next = self.request.wrapping_add(step);
        std::mem::replace(&mut self.request, next)
    }

    /// Begins a line behind the last whole one.
    #[inline]
    pub(super) fn begin(&mut self) -> &mut Line {
        self.cancel();
        &mut self.line
    }

    /// Ends the line. Returns the bytes for which there is no room.
    #[inline]
    pub(super) fn end(&mut self) -> usize {
        self.line.raw("\n");
        self.line.len().saturating_sub(self.room)
    }

    /// Takes the line that has ended.
    #[inline]
    pub(super) fn keep(&mut self) {
        (self.lines, self.whole) = (self.lines + 1, self.line.len());
    }

    /// Removes the line that is not whole.
    #[inline]
    pub(super) fn cancel(&mut self) {
        self.line.truncate(self.whole);
    }

    /// Makes room for more bytes. Returns the room that there was.
    pub(super) fn widen(&mut self, bytes: usize) -> usize {
        let wider = self.room + bytes;
        std::mem::replace(&mut self.room, wider)
    }

    /// Takes all whole lines out of it. It goes on in the last of the `empty` buffers.
    pub(super) fn take(&mut self, empty: &mut Vec<Vec<u8>>) -> Option<Batch> {
        if self.room == 0 {
            return None;
        }
        self.cancel();
        let bytes = self.line.replace(empty.pop().unwrap_or_default());
        let batch = Batch { bytes, lines: self.lines, room: self.room };
        (self.lines, self.whole, self.room) = (0, 0, 0);
        Some(batch)
    }
}
