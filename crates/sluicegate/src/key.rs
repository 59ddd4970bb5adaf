//! Whose account is charged.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Whose account is charged: a limit's name and what tells its callers apart, as one text.
///
/// Keys of up to 46 bytes are kept in place, so that a check allocates nothing.
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
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Arc<str>),
}

impl Key {
    /// The key of one or more parts. Different parts always make different keys: a `|` or `%` inside a part is
    /// percent-encoded.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::with_capacity(INLINE);
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                text.push('|');
            }
            for character in part.chars() {
                match character {
                    '|' => text.push_str("%7C"),
                    '%' => text.push_str("%25"),
                    other => text.push(other),
                }
            }
        }
        Self::from(text.as_str())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Only ever filled from a whole `&str`, so this is always valid and costs a short check.
            Text::Inline { len, bytes } => {
                std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default()
            }
            Text::Shared(text) => text,
        }
    }

    /// The key's bytes, for hashing.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Text::Shared(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Key {
    #[inline]
    fn from(text: &str) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= INLINE => {
                let mut bytes = [0; INLINE];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Self(Text::Inline { len, bytes })
            }
            _ => Self(Text::Shared(text.into())),
        }
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

/// As much as fits beside the length and the tag in 48 bytes: an IPv6 address and a limit's name.
const INLINE: usize = 46;
