//! Writing the value of a header.

use bytes::Bytes;
use http::HeaderValue;

/// Writes the value of a header into a buffer, which becomes the value without a copy.
pub(super) struct ValueWriter(Vec<u8>);

impl ValueWriter {
    /// An empty value, with room for some limits.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(128))
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// An integer, which no structured field may have wider than 15 digits.
    pub(super) fn integer(&mut self, number: u64) -> &mut Self {
        let mut number = number.min(WIDEST);
        let mut digits = [0; 15];
        let mut start = digits.len();
        loop {
            start -= 1;
            // A remainder of ten is one digit.
            digits[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[start..]);
        self
    }

    /// Writes the separator between members of a list.
    pub(super) fn next_member(&mut self) -> &mut Self {
        if !self.0.is_empty() {
            self.text(", ");
        }
        self
    }

    pub(super) fn finish(self) -> HeaderValue {
        HeaderValue::from_maybe_shared(Bytes::from(self.0))
            .expect("names of limits and numbers are visible ASCII")
    }

    pub(super) fn number(number: u64) -> HeaderValue {
        HeaderValue::from(number.min(WIDEST))
    }
}

/// RFC 9651's largest integer.
const WIDEST: u64 = 999_999_999_999_999;
