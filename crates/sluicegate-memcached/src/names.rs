//! Names of accounts in Memcached.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use sluicegate::{Algorithm, Key};

/// Gives accounts their names: `PREFIX:1:FINGERPRINT`.
///
/// The 1 is the version of what is kept there. The fingerprint is 128 bits of a SHA-256 of the secret, the
/// algorithm and the key, so that no name reveals the owner of an account. Anyone who knows the secret, or if
/// there is none, can try every name of a small set, such as addresses.
#[derive(Clone)]
pub(crate) struct Names {
    prefix: String,
    /// The state of the hash after the secret, so that most keys cost one block.
    keyed: Sha256,
    readable: bool,
}

impl Names {
    pub(crate) fn new(prefix: &str, secret: &[u8], readable: bool) -> Self {
        // A whole block: a short secret is padded, a long one is hashed, as HMAC does.
        let mut block = [0; 64];
        match block.get_mut(..secret.len()) {
            Some(start) => start.copy_from_slice(secret),
            None => block[..32].copy_from_slice(&Sha256::digest(secret)),
        }
        Self { prefix: prefix.to_owned(), keyed: Sha256::new_with_prefix(block), readable }
    }

    /// The name of a key's account.
    pub(crate) fn account(&self, key: &Key, algorithm: Algorithm) -> Arc<str> {
        let kind = letter(algorithm);
        let readable = self.readable.then(|| self.readable(key, kind)).filter(|name| name.len() <= LONGEST);
        let hashed = || format!("{}:1:{:032x}", self.prefix, self.hash(kind, key.as_str()));
        readable.unwrap_or_else(hashed).into()
    }

    /// A number that is the same for all keys of one [caller](Key::caller): they are kept on the same server, so that a
    /// request asks only one.
    pub(crate) fn neighbourhood(&self, key: &Key) -> u128 {
        self.hash(b'.', key.caller())
    }

    fn hash(&self, kind: u8, text: &str) -> u128 {
        let hash = self.keyed.clone().chain_update([kind]).chain_update(text).finalize();
        hash[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    /// The name of an item with which servers are tried.
    pub(crate) fn trial(&self) -> String {
        format!("{}:1:check", self.prefix)
    }

    /// `PREFIX:1:KIND:KEY`. Nothing in it means something to Memcached or to a terminal.
    fn readable(&self, key: &Key, kind: u8) -> String {
        let mut name = format!("{}:1:{}:", self.prefix, char::from(kind));
        for byte in key.as_bytes() {
            if byte.is_ascii_graphic() && *byte != b'%' {
                name.push(char::from(*byte));
            } else {
                // Writing to a string never fails.
                let _ = write!(name, "%{byte:02X}");
            }
        }
        name
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The letter for an algorithm, in names and in values.
pub(crate) const fn letter(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::TokenBucket => b't',
        Algorithm::FixedWindow => b'f',
        Algorithm::SlidingWindow => b's',
        Algorithm::SlidingLog => b'g',
        Algorithm::Concurrent => b'c',
    }
}

/// Memcached takes no longer ones.
const LONGEST: usize = 250;
