//! The framing of server-sent events.

use memchr::memchr2;

/// The framing of server-sent events, which tells the data in them from the rest.
#[derive(Clone, Debug)]
pub(super) struct EventStream {
    line: Line,
    /// The last byte was a carriage return, which a line feed may follow.
    after_return: bool,
    /// A line of the event has begun.
    is_open: bool,
}

/// A part of a stream of events.
pub(super) enum EventPart<'a> {
    /// Some of the event's data, with its line ends.
    Data(&'a [u8]),
    End,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    /// At the start of the stream, after so many bytes of a mark of the byte order.
    Mark(usize),
    /// In the name of a field, of which so many bytes are those of `data`.
    Name(usize),
    /// Behind the colon of `data`, where one space does not count.
    Space,
    Data,
    Other,
}

impl EventStream {
    pub(super) fn new() -> Self {
        Self { line: Line::Mark(0), after_return: false, is_open: false }
    }

    /// Returns `true` if no event is open.
    pub(super) fn is_between(&self) -> bool {
        !self.is_open
    }

    /// Returns `true` if the next byte begins an event, and is no line feed that belongs to the one before.
    pub(super) fn is_at_event(&self) -> bool {
        !self.is_open && !self.after_return && matches!(self.line, Line::Name(0))
    }

    /// Takes the next piece of the stream.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8], mut part: impl FnMut(EventPart<'a>)) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                bytes = rest;
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                self.after_return = byte == b'\r';
                self.end_line(&mut part);
                bytes = rest;
                continue;
            }
            bytes = match self.line {
                Line::Mark(matched) => self.mark(matched, byte, bytes),
                Line::Name(matched) => {
                    self.is_open = true;
                    self.line = match byte {
                        b':' if matched == DATA.len() => Line::Space,
                        byte if DATA.get(matched) == Some(&byte) => Line::Name(matched + 1),
                        _ => Line::Other,
                    };
                    rest
                }
                Line::Space => {
                    self.line = Line::Data;
                    if byte == b' ' { rest } else { bytes }
                }
                Line::Data => {
                    let (data, rest) = at_line_end(bytes);
                    part(EventPart::Data(data));
                    rest
                }
                Line::Other => at_line_end(bytes).1,
            };
        }
    }

    fn mark<'a>(&mut self, matched: usize, byte: u8, bytes: &'a [u8]) -> &'a [u8] {
        if MARK[matched] == byte {
            let is_whole = matched + 1 == MARK.len();
            self.line = if is_whole { Line::Name(0) } else { Line::Mark(matched + 1) };
            return &bytes[1..];
        }
        // A part of a mark belongs to a name that is none of ours.
        self.line = if matched == 0 { Line::Name(0) } else { Line::Other };
        bytes
    }

    fn end_line<'a>(&mut self, part: &mut impl FnMut(EventPart<'a>)) {
        match self.line {
            Line::Mark(_) | Line::Name(0) => {
                if std::mem::take(&mut self.is_open) {
                    part(EventPart::End);
                }
            }
            Line::Data => part(EventPart::Data(b"\n")),
            Line::Name(_) | Line::Space | Line::Other => {}
        }
        self.line = Line::Name(0);
    }
}

/// The rest of a line, and what follows, from its end on.
fn at_line_end(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len()))
}

const DATA: &[u8] = b"data";
const MARK: &[u8] = b"\xef\xbb\xbf";
