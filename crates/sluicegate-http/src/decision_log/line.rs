//! Lines of JSON, written by hand: no value is built, and nothing is allocated for one of them.

use std::time::Duration;

use super::Time;

/// Lines of JSON, one behind the other.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Vec<u8>,
    /// The last id and time that were written: `a1b2c30000000001","time":"2026-11-30T18:00:00.123456789Z`.
    stamp: [u8; 56],
    /// The second of that time. Most lines have the second of the one before.
    second: u64,
}

impl Default for Line {
    fn default() -> Self {
        let stamp = *b"0000000000000000\",\"time\":\"1970-01-01T00:00:00.000000000Z";
        Self { bytes: Vec::new(), stamp, second: 0 }
    }
}

impl Line {
    /// The length of all that has been written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Removes what was written behind this length.
    #[inline]
    pub(super) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Takes all that has been written, and goes on in an empty buffer.
    pub(super) fn replace(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.bytes, empty)
    }

    /// Writes JSON as it is.
    #[inline]
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
    #[inline]
    pub(super) fn escaped(&mut self, text: &str) {
        // Looked through to the end, so that many bytes are looked at together.
        if text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
            self.with_escapes(text.as_bytes());
        } else {
            self.raw(text);
        }
    }

    #[cold]
    fn with_escapes(&mut self, text: &[u8]) {
        for &byte in text {
            match byte {
                b'"' | b'\\' => self.bytes.extend([b'\\', byte]),
                byte if is_escaped(byte) => {
                    let [high, low] = HEXADECIMAL[usize::from(byte)];
                    self.bytes.extend([b'\\', b'u', b'0', b'0', high, low]);
                }
                byte => self.bytes.push(byte),
            }
        }
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
    #[inline]
    pub(super) fn number(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(digit @ 0..=9) => self.bytes.push(b'0' + digit),
            _ => self.raw(itoa::Buffer::new().format(number)),
        }
    }

    /// Writes 16 hexadecimal digits.
    #[inline]
    pub(super) fn hexadecimal(&mut self, number: u64) {
        self.bytes.extend_from_slice(sixteen_digits(number).as_flattened());
    }

    /// Writes a time as a number of seconds, exact to the nanosecond.
    pub(super) fn seconds(&mut self, time: Duration) {
        self.number(time.as_secs());
        self.billionths(time.subsec_nanos());
    }

    /// Writes billionths behind a number, as decimals without the zeros at their end.
    pub(super) fn billionths(&mut self, billionths: u32) {
        if billionths == 0 {
            return;
        }
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(&nine_digits(billionths));
        while self.bytes.last() == Some(&b'0') {
            self.bytes.pop();
        }
    }

    /// Writes an id and a time, from behind the opening quote of the one to the closing quote of the other.
    #[inline]
    pub(super) fn stamp(&mut self, id: u64, time: Time) {
        let (second, nanoseconds) = time.parts();
        if self.second != second {
            self.begin(second, time);
        }
        self.stamp[..16].copy_from_slice(sixteen_digits(id).as_flattened());
        self.stamp[46..55].copy_from_slice(&nine_digits(nanoseconds));
        self.bytes.extend_from_slice(&self.stamp);
    }

    #[cold]
    fn begin(&mut self, second: u64, time: Time) {
        if let Some(calendar) = time.to_string().as_bytes().first_chunk::<20>() {
            self.stamp[26..46].copy_from_slice(calendar);
            self.second = second;
        }
    }
}

/// Returns the hexadecimal digits of a number, in pairs.
#[inline]
fn sixteen_digits(number: u64) -> [[u8; 2]; 8] {
    number.to_be_bytes().map(|byte| HEXADECIMAL[usize::from(byte)])
}

/// Returns the last nine digits of a number, with the zeros that they begin with.
#[inline]
fn nine_digits(number: u32) -> [u8; 9] {
    let (mut digits, mut rest) = ([0; 9], number);
    let (first, pairs) = digits.as_rchunks_mut();
    for pair in pairs.iter_mut().rev() {
        *pair = DECIMAL[(rest % 100) as usize];
        rest /= 100;
    }
    first[0] = DECIMAL[(rest % 10) as usize][1];
    digits
}

/// Returns a string of JSON, with its quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut line = Line::default();
    line.text(text);
    // Only ASCII is escaped, so text stays text.
    String::from_utf8(line.bytes).unwrap_or_default()
}

#[inline]
const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
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

/// The two digits of each byte.
const HEXADECIMAL: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let (mut pairs, mut byte) = ([[0; 2]; 256], 0);
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The two digits of each number below a hundred.
const DECIMAL: [[u8; 2]; 100] = {
    let (mut pairs, mut number) = ([[0; 2]; 100], 0_u8);
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};
