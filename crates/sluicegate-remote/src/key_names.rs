//! Parts of the names of accounts.

use std::fmt::{self, Write};

use ring::digest::{Context, SHA256, digest};
use sluicegate::Algorithm;

/// A hash under a secret, so that no name tells whose account it is.
///
/// It is SHA-256 of the secret and the text. Anyone who knows the secret, or anyone at all if there is none, can try every
/// name of a small set, such as addresses.
#[derive(Clone)]
pub struct KeyedHash {
    /// The state after the secret, so that most texts cost one block.
    keyed: Context,
}

impl KeyedHash {
    /// Returns a hash under this secret, which may be empty.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // A whole block: a short secret is padded, a long one is hashed, as HMAC does.
        let mut block = [0; 64];
        match block.get_mut(..secret.len()) {
            Some(start) => start.copy_from_slice(secret),
            None => block[..32].copy_from_slice(digest(&SHA256, secret).as_ref()),
        }
        let mut keyed = Context::new(&SHA256);
        keyed.update(&block);
        Self { keyed }
    }

    /// Returns 128 bits of the hash of a text, which is given in parts.
    #[must_use]
    pub fn fingerprint<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> u128 {
        let mut hash = self.keyed.clone();
        parts.into_iter().for_each(|part| hash.update(part));
        hash.finish().as_ref()[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash")
    }
}

/// Appends a text to a name in readable form. Percent signs, all that is not visible ASCII, and the `reserved` characters,
/// which mean something to the server, are percent-encoded.
pub fn push_escaped(name: &mut String, text: &str, reserved: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && !reserved.contains(&byte) {
            name.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(name, "%{byte:02X}");
        }
    }
}

/// Returns the letter of an algorithm, in names and in stored accounts.
#[inline]
#[must_use]
pub const fn letter(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::TokenBucket => b't',
        Algorithm::FixedWindow => b'f',
        Algorithm::SlidingWindow => b's',
        Algorithm::SlidingLog => b'g',
        Algorithm::Concurrent => b'c',
    }
}
