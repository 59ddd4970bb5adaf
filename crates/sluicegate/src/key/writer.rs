//! Writing a key part by part.

use std::fmt::{self, Display, Write};

use super::{Inline, Key, Text};

/// Writes a [`Key`] part by part. Allocates only for keys of more than 47 bytes.
///
/// Writes where the key stays: a processor does not forward several writes to one read that copies them.
#[derive(Debug)]
pub struct KeyWriter<'k> {
    key: &'k mut Inline,
    len: usize,
    /// All of the text, once it is longer than fits in place.
    long: String,
    has_parts: bool,
}

impl Key {
    /// Returns the key that is written so.
    #[inline(always)]
    pub(crate) fn written(write: impl FnOnce(&mut KeyWriter<'_>)) -> Self {
        let mut key = Self(Text::Inline(Inline::EMPTY));
        if let Text::Inline(inline) = &mut key.0 {
            let mut writer = KeyWriter { key: inline, len: 0, long: String::new(), has_parts: false };
            write(&mut writer);
            if let Some(long) = writer.finish() {
                key.0 = Text::Shared(long.into());
            }
        }
        key
    }
}

impl KeyWriter<'_> {
    /// Adds a part. A `|` or `%` in it is percent-encoded, so different parts always make different keys.
    #[inline]
    pub fn text(&mut self, part: &str) {
        self.separate();
        self.encode(part);
    }

    /// Adds a part that is written as its `Display` says.
    pub fn display(&mut self, part: impl Display) {
        self.separate();
        // Writing here never fails. A value whose `Display` does has written what it could.
        let _ = write!(Encoded(self), "{part}");
    }

    /// Ends the key. Returns its text if that does not fit in place.
    #[inline(always)]
    fn finish(self) -> Option<String> {
        if self.long.is_empty() {
            self.key.set_len(self.len);
            return None;
        }
        Some(self.long)
    }

    #[inline]
    fn separate(&mut self) {
        if self.has_parts {
            self.push("|");
        }
        self.has_parts = true;
    }

    #[inline]
    fn encode(&mut self, text: &str) {
        if has_special(text.as_bytes()) { self.encode_special(text) } else { self.push(text) }
    }

    #[cold]
    fn encode_special(&mut self, text: &str) {
        for piece in text.split_inclusive(['|', '%']) {
            if let Some(plain) = piece.strip_suffix('|') {
                self.push(plain);
                self.push("%7C");
            } else if let Some(plain) = piece.strip_suffix('%') {
                self.push(plain);
                self.push("%25");
            } else {
                self.push(piece);
            }
        }
    }

    #[inline]
    fn push(&mut self, text: &str) {
        let end = self.len + text.len();
        match self.key.bytes.get_mut(self.len..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(text.as_bytes());
                self.len = end;
            }
            _ => self.push_long(text),
        }
    }

    #[cold]
    fn push_long(&mut self, text: &str) {
        if self.long.is_empty() {
            // Only ever filled from whole `&str`s, so this is always valid.
            self.long.push_str(std::str::from_utf8(&self.key.bytes[..self.len]).unwrap_or_default());
        }
        self.long.push_str(text);
    }
}

/// Encodes the output of a `Display`.
struct Encoded<'w, 'k>(&'w mut KeyWriter<'k>);

impl Write for Encoded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.encode(text);
        Ok(())
    }
}

/// Returns `true` if there is a `|` or `%` in the text. Looks at eight bytes at a time.
#[inline]
fn has_special(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    words.iter().fold(specials(last), |found, word| found | specials(u64::from_le_bytes(*word))) != 0
}

/// Zero if no byte of the word is `|` or `%`.
#[inline]
const fn specials(word: u64) -> u64 {
    let (bars, percents) = (word ^ (LOW_BITS * b'|' as u64), word ^ (LOW_BITS * b'%' as u64));
    // Subtracting one borrows from the high bit only of a byte that is zero, or that follows one.
    ((bars.wrapping_sub(LOW_BITS) & !bars) | (percents.wrapping_sub(LOW_BITS) & !percents)) & (LOW_BITS << 7)
}

/// The lowest bit of each byte.
const LOW_BITS: u64 = u64::MAX / 255;
