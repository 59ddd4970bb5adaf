//! The report of usage, taken out of streams whose client did not ask for it.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use memchr::{memchr2, memmem::Finder};

use super::{
    members::{Members, after_spaces},
    usage_reader::Repetition,
};

/// Takes out of a stream in OpenAI's dialect what [`ask_for_usage`](crate::ask_for_usage) has caused: the chunk that has
/// usage and no choices, and members `"usage":null` of the others.
///
/// Every other byte stays, and each event passes as soon as it is whole. An event of more than 16 KB passes as it is. Usage in
/// a chunk with choices stays too: servers that put it there do so without being asked.
///
/// ```
/// use sluicegate_policy::UsageStripper;
///
/// let mut stripper = UsageStripper::default();
/// let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n";
/// assert_eq!(stripper.data(chunk.into()), "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n");
/// let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1}}\n\n";
/// assert_eq!(stripper.data(usage.into()), "");
/// assert_eq!(stripper.data("data: [DO".into()), "");
/// assert_eq!(stripper.data("NE]\n\n".into()), "data: [DONE]\n\n");
/// assert_eq!(stripper.end(), "");
/// ```
#[derive(Debug, Default)]
pub struct UsageStripper {
    /// The event that is not whole yet.
    held: Vec<u8>,
    boundary: Boundary,
    /// The open event is too long to be held, and passes.
    passes_rest: bool,
    /// The last event was taken out.
    is_out: bool,
    /// The event that the stream repeats, and what becomes of it.
    repeated: Option<(Repetition, Usual)>,
    /// Room for events that lose something. It is used again once they have been sent.
    room: BytesMut,
}

/// The outcome for most pieces of a stream, each of which is an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Usual {
    /// It has no usage, and passes as it is.
    Passes,
    /// Its last member is `"usage":null`, which is taken out.
    LosesNull,
}

impl UsageStripper {
    /// Takes the next bytes of the stream as [`data`](Self::data) does. They are this repetition, as the reader of the same
    /// stream has found, so that what was taken out of the event before is taken out again.
    pub fn repetition(&mut self, piece: Bytes, repetition: Repetition) -> Bytes {
        if !self.is_at_event() {
            return self.data(piece);
        }
        let usual = match self.repeated {
            Some((known, usual)) if known == repetition => Some(usual),
            _ => {
                let usual = usual(&piece).filter(|usual| usual.stands_behind(repetition));
                self.repeated = usual.map(|usual| (repetition, usual));
                usual
            }
        };
        match usual {
            Some(usual) => self.usual(usual, piece),
            None => self.data(piece),
        }
    }

    /// Takes the next bytes of the stream, and returns those that may pass.
    pub fn data(&mut self, piece: Bytes) -> Bytes {
        if piece.is_empty() {
            return piece;
        }
        // The boundary stays where it was.
        if self.is_at_event()
            && let Some(usual) = usual(&piece)
        {
            return self.usual(usual, piece);
        }
        let mut passed = Vec::with_capacity(self.held.len() + piece.len());
        let mut rest = &piece[..];
        if self.boundary.after_return && self.held.is_empty() && !self.passes_rest {
            // The line feed belongs to the return before it.
            self.boundary.after_return = false;
            if let Some(after) = rest.strip_prefix(b"\n") {
                if !self.is_out {
                    passed.push(b'\n');
                }
                rest = after;
            }
        }
        while !rest.is_empty() {
            let end = self.boundary.end_in(rest);
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            if self.passes_rest {
                passed.extend_from_slice(part);
                self.is_out = false;
                self.passes_rest = end.is_none();
                continue;
            }
            if end.is_some() && self.held.is_empty() {
                self.is_out = !strip(part, &mut passed);
                continue;
            }
            self.held.extend_from_slice(part);
            if end.is_some() {
                self.is_out = !strip(&self.held, &mut passed);
                self.held.clear();
            } else if self.held.len() > MAX_EVENT {
                passed.append(&mut self.held);
                self.passes_rest = true;
            }
        }
        passed.into()
    }

    /// The part of an event with this outcome that the client gets.
    fn usual(&mut self, usual: Usual, piece: Bytes) -> Bytes {
        match usual {
            Usual::Passes => piece,
            Usual::LosesNull => {
                let rest = &piece[..piece.len() - USUAL_NULL.len()];
                if self.room.capacity() < rest.len() + USUAL_END.len() {
                    self.room.reserve(ROOM.max(piece.len()));
                }
                self.room.extend_from_slice(rest);
                self.room.extend_from_slice(USUAL_END);
                self.room.split().freeze()
            }
        }
    }

    /// Returns `true` if the next byte begins an event, and is no line feed that belongs to the one before.
    fn is_at_event(&self) -> bool {
        self.held.is_empty() && !self.passes_rest && !self.boundary.after_return
    }

    /// Returns the rest when the stream ends.
    pub fn end(&mut self) -> Bytes {
        let mut passed = Vec::new();
        strip(&std::mem::take(&mut self.held), &mut passed);
        passed.into()
    }
}

impl Usual {
    /// Returns `true` if all repetitions of an event have this outcome, because it depends on the bytes behind the text.
    fn stands_behind(self, repetition: Repetition) -> bool {
        self == Self::Passes || repetition.behind >= USUAL_NULL.len()
    }
}

/// The search for the empty lines that end events.
#[derive(Debug)]
struct Boundary {
    at_line_start: bool,
    /// The last byte was a carriage return, which a line feed may follow.
    after_return: bool,
}

impl Boundary {
    /// The index behind the first event that ends in these bytes, which follow those of the last call.
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if std::mem::take(&mut self.after_return) && bytes[at] == b'\n' {
                at += 1;
                continue;
            }
            let Some(found) = memchr2(b'\r', b'\n', &bytes[at..]) else {
                self.at_line_start = false;
                return None;
            };
            let is_empty = found == 0 && self.at_line_start;
            at += found + 1;
            self.at_line_start = true;
            self.after_return = bytes[at - 1] == b'\r';
            if is_empty {
                if self.after_return && bytes.get(at) == Some(&b'\n') {
                    self.after_return = false;
                    at += 1;
                }
                return Some(at);
            }
        }
        None
    }
}

impl Default for Boundary {
    fn default() -> Self {
        Self { at_line_start: true, after_return: false }
    }
}

/// The usual outcome for these bytes, if they have one: whole events without usage, or one with the usual null.
fn usual(piece: &[u8]) -> Option<Usual> {
    match USAGE.find(piece) {
        None => ends_event(piece).then_some(Usual::Passes),
        Some(usage) => before_usual_null(piece, usage).map(|_| Usual::LosesNull),
    }
}

/// Returns `true` if an event ends at the end of these bytes, for certain.
fn ends_event(piece: &[u8]) -> bool {
    piece.ends_with(b"\n\n") || piece.ends_with(b"\r\n\r\n")
}

/// Passes an event on without the usage that was not asked for. Returns `false` if nothing is left.
fn strip(event: &[u8], passed: &mut Vec<u8>) -> bool {
    let Some(first) = USAGE.find(event) else {
        passed.extend_from_slice(event);
        return true;
    };
    if let Some(rest) = before_usual_null(event, first) {
        passed.extend_from_slice(rest);
        passed.extend_from_slice(USUAL_END);
        return true;
    }
    let mut data = data_lines(event);
    let (Some(first), second) = (data.next(), data.next()) else {
        passed.extend_from_slice(event);
        return true;
    };
    let is_in_one_line = second.is_none();
    let lines: Vec<&[u8]> =
        [first.clone()].into_iter().chain(second).chain(data).map(|line| &event[line]).collect();
    let text = lines.join(&b'\n');
    let (mut no_choices, mut usage) = (None, None);
    for member in Members::at(&text, 0).into_iter().flatten() {
        let value = &text[member.value.clone()];
        if member.is_named("choices") {
            no_choices = Some(value[1..].trim_ascii_start() == b"]" && value[0] == b'[');
        } else if member.is_named("usage") {
            usage = Some((member.span, value));
        }
    }
    match (no_choices, usage) {
        (Some(true), Some((_, [b'{', ..]))) => false,
        (Some(_), Some((span, b"null"))) if is_in_one_line => {
            let (begin, end) = with_comma(&text, span.start, span.end);
            passed.extend_from_slice(&event[..first.start + begin]);
            passed.extend_from_slice(&event[first.start + end..]);
            true
        }
        _ => {
            passed.extend_from_slice(event);
            true
        }
    }
}

/// The part of an event before `"usage":null`, if that is where it usually is: at the end of a document in one line, whose brace is
/// the last one.
fn before_usual_null(event: &[u8], usage: usize) -> Option<&[u8]> {
    let (before, null) = event.split_at_checked(usage.checked_sub(1)?)?;
    let text = before.strip_prefix(b"data: {")?;
    let is_usual =
        null == USUAL_NULL && memchr2(b'\r', b'\n', text).is_none() && CHOICES.find(text).is_some();
    is_usual.then_some(before)
}

/// The places of the data in an event.
fn data_lines(event: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = if event.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    std::iter::from_fn(move || {
        while at < event.len() {
            let begin = at;
            let end = memchr2(b'\r', b'\n', &event[begin..]).map_or(event.len(), |found| begin + found);
            at = end + 1;
            if let Some(data) = event[begin..end].strip_prefix(b"data:") {
                let data = data.strip_prefix(b" ").unwrap_or(data);
                return Some(end - data.len()..end);
            }
        }
        None
    })
}

/// A member's place with the comma before it, or with the one behind it if it is the first.
fn with_comma(text: &[u8], begin: usize, end: usize) -> (usize, usize) {
    let before = text[..begin].trim_ascii_end();
    if before.ends_with(b",") {
        return (before.len() - 1, end);
    }
    let comma = after_spaces(text, end);
    if text.get(comma) == Some(&b',') { (begin, after_spaces(text, comma + 1)) } else { (begin, end) }
}

// Made once, because that takes longer than a search.
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
static CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"choices\":["));
/// The end of an event with the usual null, and without it.
const USUAL_NULL: &[u8] = b",\"usage\":null}\n\n";
const USUAL_END: &[u8] = b"}\n\n";
/// The least room for events that lose something, a few of a usual size.
const ROOM: usize = 1 << 10;
/// The longest event that is held.
const MAX_EVENT: usize = 16 << 10;
