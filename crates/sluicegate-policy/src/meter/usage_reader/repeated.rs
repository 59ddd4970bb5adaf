//! The event that a stream repeats with another text in it.

use memchr::memmem;

/// The event that a stream repeats with another text in it, as most streams do for each token.
///
/// An event that has the same bytes before and behind its text has the same effect but for the text, so nothing of it has to be
/// scanned again. That takes a tenth of the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeated {
    before: Vec<u8>,
    behind: Vec<u8>,
    /// The choice that the text belongs to.
    index: u64,
    /// The events since the last repetition. Where none comes, it is no longer looked for.
    misses: u8,
    /// The number of events that were learned so far.
    learned: u32,
}

/// An event that repeats an earlier one with another text in it.
///
/// All repetitions of one event have the same bytes before and behind their texts, and no text has a line end or a quote
/// without a backslash before it. So what depends on these bytes alone needs to be found only once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repetition {
    /// The number of the event that is repeated, within its stream.
    pub(crate) event: u32,
    /// The number of bytes behind the text.
    pub(crate) behind: usize,
}

impl Repeated {
    /// Returns the event at the beginning of these bytes, if it is worth to be looked at as a whole.
    pub(super) fn first_event<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.misses >= MAX_MISSES {
            return None;
        }
        let end = memmem::find(bytes.get(..MAX_LENGTH).unwrap_or(bytes), b"\n\n")? + 2;
        Some(&bytes[..end])
    }

    /// Finds a repetition at the beginning of these bytes: its text, and the bytes behind it.
    #[inline]
    pub(super) fn find<'a>(&mut self, bytes: &'a [u8]) -> Option<(RepeatedText<'a>, &'a [u8])> {
        if self.behind.is_empty() {
            return None;
        }
        let text = bytes.strip_prefix(&self.before[..])?;
        let (mut end, mut is_escaped, mut has_escapes) = (0, false, false);
        loop {
            match *text.get(end)? {
                // It would end the event.
                b'\r' | b'\n' => return None,
                _ if is_escaped => is_escaped = false,
                b'"' => break,
                b'\\' => (is_escaped, has_escapes) = (true, true),
                _ => {}
            }
            end += 1;
        }
        let (written, rest) = text.split_at(end);
        let rest = rest.strip_prefix(&self.behind[..])?;
        self.misses = 0;
        Some((RepeatedText { index: self.index, written, has_escapes }, rest))
    }

    /// Takes note of an event that has no effect but this text.
    pub(super) fn learn(&mut self, event: &[u8], only: &OnlyText) {
        // The text is a part of the event, unless the event began before these bytes.
        let begin = only.address.wrapping_sub(event.as_ptr() as usize);
        let behind = begin.checked_add(only.length).and_then(|end| event.get(end..));
        let (Some(before), Some(behind)) = (event.get(..begin), behind) else { return };
        if memchr::memchr(b'\r', event).is_some() {
            // It may be several events.
            return;
        }
        self.before.clear();
        self.before.extend_from_slice(before);
        self.behind.clear();
        self.behind.extend_from_slice(behind);
        self.index = only.index;
        self.learned = self.learned.wrapping_add(1);
    }

    /// The repetition that was found last.
    pub(super) fn last(&self) -> Repetition {
        Repetition { event: self.learned, behind: self.behind.len() }
    }

    pub(super) fn miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
    }
}

/// The text of a repetition.
pub(super) struct RepeatedText<'a> {
    /// The choice that it belongs to.
    pub(super) index: u64,
    /// The string as it is written.
    pub(super) written: &'a [u8],
    pub(super) has_escapes: bool,
}

/// The text of a document that has no other effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnlyText {
    /// The place of the text in memory, to find it in its event.
    pub(super) address: usize,
    pub(super) length: usize,
    pub(super) index: u64,
}

/// The longest event that is kept.
const MAX_LENGTH: usize = 2048;
const MAX_MISSES: u8 = 8;
