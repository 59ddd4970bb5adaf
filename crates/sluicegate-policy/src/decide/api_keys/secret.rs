//! An API key as its owner sends it.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// An API key as its owner sends it: `sg_`, eight characters that name it, `_`, and a secret of 256 bits.
///
/// It is shown once, when it is made; the file of keys holds only its hash. It is never logged: `Debug` shows
/// its id alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// A new key.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let (id, secret) = (random_text::<ID>(36)?, random_text::<SECRET>(62)?);
        Ok(Self(format!("{PREFIX}{id}_{secret}")))
    }

    /// The key's public name.
    #[must_use]
    pub fn id(&self) -> &str {
        id_of(&self.0).unwrap_or_default()
    }

    /// The text to send as `x-api-key` or after `Authorization: Bearer`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.id()).finish()
    }
}

/// The SHA-256 of a key's whole text. Keys are random, so there is nothing that a slower hash would protect.
#[derive(Clone, Copy, Default)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    pub(super) fn of(presented: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, presented.as_bytes()).as_ref());
        Self(hash)
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Returns `true` if the two are equal, in a time that does not reveal where they differ.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The id in a presented key, if it has a key's shape.
pub(super) fn id_of(presented: &str) -> Option<&str> {
    let rest = presented.strip_prefix(PREFIX)?;
    let (id, secret) = (rest.get(..ID)?, rest.get(ID..)?.strip_prefix('_')?);
    (is_id(id) && secret.len() == SECRET).then_some(id)
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// `N` characters, each drawn evenly from the first `letters` of the alphabet.
fn random_text<const N: usize>(letters: u8) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(N);
    // Bytes at the top of the range would make the alphabet's first letters likelier than the last: thrown away.
    let usable = u8::MAX - u8::MAX % letters;
    while text.len() < N {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes)?;
        let drawn = bytes.iter().filter(|byte| **byte < usable);
        let letters = drawn.map(|byte| char::from(ALPHABET[usize::from(byte % letters)]));
        text.extend(letters.take(N - text.len()));
    }
    Ok(text)
}

const PREFIX: &str = "sg_";
const ID: usize = 8;
/// 62⁴³ is just above 2²⁵⁶, and a key of 55 bytes is hashed in one block of SHA-256.
const SECRET: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
