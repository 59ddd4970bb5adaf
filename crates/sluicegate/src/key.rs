//! Owner of the account.

mod parts;
mod writer;

use std::{borrow::Borrow, fmt, num::NonZeroU8, sync::Arc};

pub use parts::KeyParts;
pub use writer::KeyWriter;

/// The owner of an account: a limit's name and the parts that distinguish its callers, as one text.
///
/// Keys of up to 47 bytes are kept in place, so that a check allocates nothing.
///
/// ```
/// use sluicegate::Key;
///
/// assert_eq!(Key::from("alice").as_str(), "alice");
/// assert_ne!(Key::of(["predict", "a|b"]), Key::of(["predict", "a", "b"]));
/// ```
#[derive(Clone)]
pub struct Key(Text);

#[derive(Clone)]
enum Text {
    Inline(Inline),
    Shared(Arc<str>),
}

/// The bytes come first, so that they are read back in the words in which they were written: a processor forwards
/// only whole words from a write to a read that follows it at once.
#[derive(Clone, Debug)]
#[repr(C)]
struct Inline {
    bytes: [u8; INLINE],
    /// One more than the length: the zero that is left marks a shared text, without a tag of its own.
    end: NonZeroU8,
}

impl Inline {
    const EMPTY: Self = Self { bytes: [0; INLINE], end: NonZeroU8::MIN };

    /// Puts a text here. Returns `false` if it is too long.
    #[inline(always)]
    fn fill(&mut self, text: &str) -> bool {
        let Some(bytes) = self.bytes.get_mut(..text.len()) else { return false };
        bytes.copy_from_slice(text.as_bytes());
        self.set_len(text.len());
        true
    }

    /// Sets the length of the text. It is at most that of the room.
    #[inline(always)]
    fn set_len(&mut self, len: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "at most 47")]
        let len = len.min(INLINE) as u8;
        self.end = NonZeroU8::MIN.saturating_add(len);
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.end.get() - 1)]
    }
}

impl Key {
    /// The key of one or more parts. Different parts always make different keys: a `|` or `%` inside a part is
    /// percent-encoded.
    ///
    /// A [`Limit`](crate::Limit) writes its keys itself.
    #[inline]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::written(|key| parts.into_iter().for_each(|part| key.text(part)))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Only ever filled from a whole `&str`, so this is always valid and costs a short check.
            Text::Inline(text) => std::str::from_utf8(text.as_bytes()).unwrap_or_default(),
            Text::Shared(text) => text,
        }
    }

    /// The part that the keys of one caller share: the second part, after the limit's name (`alice` of
    /// `rpm|alice` and `tpm|alice|eu`), or all of a key without parts. Stores that spread accounts keep those
    /// of one caller together.
    #[must_use]
    pub fn caller(&self) -> &str {
        let key = self.as_str();
        key.split('|').nth(1).unwrap_or(key)
    }

    /// The key's bytes, for hashing.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline(text) => text.as_bytes(),
            Text::Shared(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Key {
    #[inline]
    fn from(text: &str) -> Self {
        // Written where it stays: a processor does not forward several writes to one read that copies them.
        let mut key = Self(Text::Inline(Inline::EMPTY));
        if let Text::Inline(inline) = &mut key.0
            && !inline.fill(text)
        {
            key.0 = Text::Shared(text.into());
        }
        key
    }
}

impl From<&String> for Key {
    #[inline]
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As much as fits beside the length in 48 bytes: an IPv6 address and a limit's name.
const INLINE: usize = 47;
