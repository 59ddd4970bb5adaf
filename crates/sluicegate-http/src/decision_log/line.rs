//! A line of JSON, written by hand: no value is built, and nothing is allocated.

use std::{cell::RefCell, time::Duration};

use super::Time;

/// A line of JSON. Its buffer, and the calendar of the last second, serve the next line.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
    second: Option<u64>,
    /// The text of that second: `2026-11-30T18:00:00.`.
    calendar: String,
}

impl Line {
    /// Writes a line in this thread's buffer, and gives it with its newline to `take`.
    pub(super) fn compose(write: impl FnOnce(&mut Self), take: impl FnOnce(&[u8])) {
        thread_local!(static LINE: RefCell<Line> = RefCell::default());
        LINE.with_borrow_mut(|line| {
            line.bytes.clear();
            write(line);
            line.bytes.push(b'\n');
            take(&line.bytes);
        });
    }

    /// Writes JSON as it is.
    pub(super) fn raw(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    /// Writes a string.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes.push(b'"');
        self.escaped(text);
        self.bytes.push(b'"');
    }

    /// Writes what is between the quotes of a string.
    pub(super) fn escaped(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| is_escaped(*byte)) {
            let byte = rest[at];
            self.bytes.extend_from_slice(&rest[..at]);
            match byte {
                b'"' | b'\\' => self.bytes.extend([b'\\', byte]),
                _ => {
                    let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
                    self.bytes.extend([b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
                }
            }
            rest = &rest[at + 1..];
        }
        self.bytes.extend_from_slice(rest);
    }

    /// Writes what a key has percent-encoded, between the quotes of a string. What is not UTF-8 stays encoded.
    pub(super) fn decoded(&mut self, encoded: &str) {
        if !encoded.contains('%') {
            return self.escaped(encoded);
        }
        let decoded: Vec<u8> = percent_decoded(encoded.as_bytes()).collect();
        self.escaped(std::str::from_utf8(&decoded).unwrap_or(encoded));
    }

    /// Writes a number.
    pub(super) fn number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), number);
        loop {
            at -= 1;
            digits[at] = digit(rest % 10);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[at..]);
    }

    /// Writes 16 hexadecimal digits.
    pub(super) fn hexadecimal(&mut self, number: u64) {
        let mut digits = [0; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        self.bytes.extend_from_slice(&digits);
    }

    /// Writes a time as a number of seconds, exact to the nanosecond.
    pub(super) fn seconds(&mut self, time: Duration) {
        self.decimal(time.as_secs(), time.subsec_nanos().into(), 9);
    }

    /// Writes a number with so many digits behind the point, without the zeros at their end.
    pub(super) fn decimal(&mut self, whole: u64, mut fraction: u64, mut digits: usize) {
        self.number(whole);
        if fraction == 0 {
            return;
        }
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        self.bytes.push(b'.');
        self.padded(fraction, digits);
    }

    /// Writes a string with a time.
    pub(super) fn time(&mut self, time: Time) {
        let (second, nanoseconds) = time.parts();
        if self.second != Some(second) {
            self.calendar = time.to_string();
            self.calendar.truncate("2026-11-30T18:00:00.".len());
            self.second = Some(second);
        }
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(self.calendar.as_bytes());
        self.padded(nanoseconds, 9);
        self.bytes.extend_from_slice(b"Z\"");
    }

    /// Writes the last digits of a number, at most nine.
    fn padded(&mut self, number: u64, digits: usize) {
        let (mut buffer, mut rest) = ([0; 9], number);
        for place in buffer.iter_mut().rev() {
            *place = digit(rest % 10);
            rest /= 10;
        }
        self.bytes.extend_from_slice(&buffer[buffer.len() - digits..]);
    }
}

/// Returns a string of JSON, with its quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut line = Line::default();
    line.text(text);
    // Only ASCII is escaped, so text stays text.
    String::from_utf8(line.bytes).unwrap_or_default()
}

const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The digit of a number below ten.
fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number).unwrap_or_default()
}

fn percent_decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [] => return None,
            [b'%', high, low, after @ ..] if let (Some(high), Some(low)) = (value(high), value(low)) => {
                (high << 4 | low, after)
            }
            [byte, after @ ..] => (*byte, after),
        };
        rest = after;
        Some(byte)
    })
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
