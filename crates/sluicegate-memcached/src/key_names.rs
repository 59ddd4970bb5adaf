//! The names of accounts in Memcached.

use std::{fmt, sync::Arc};

use sluicegate::{Algorithm, Key};
use sluicegate_remote::{KeyedHash, letter, push_escaped};

/// Gives accounts their names: `PREFIX:1:FINGERPRINT`.
///
/// The 1 is the version of the format. The fingerprint is the [hash](KeyedHash) of the algorithm and the key.
#[derive(Clone)]
pub(crate) struct KeyNames {
    prefix: String,
    hash: KeyedHash,
    readable: bool,
}

impl KeyNames {
    pub(crate) fn new(prefix: &str, secret: &[u8], readable: bool) -> Self {
        Self { prefix: prefix.to_owned(), hash: KeyedHash::new(secret), readable }
    }

    /// The name of a key's account.
    pub(crate) fn account(&self, key: &Key, algorithm: Algorithm) -> Arc<str> {
        let kind = letter(algorithm);
        let readable = self.readable.then(|| self.readable(key, kind)).filter(|name| name.len() <= LONGEST);
        let hashed = || format!("{}:1:{:032x}", self.prefix, self.fingerprint(kind, key.as_str()));
        readable.unwrap_or_else(hashed).into()
    }

    /// A number that is the same for all keys of one [caller](Key::caller): they are kept on the same server, so that a
    /// request asks only one.
    pub(crate) fn neighbourhood(&self, key: &Key) -> u128 {
        self.fingerprint(b'.', key.caller())
    }

    fn fingerprint(&self, kind: u8, text: &str) -> u128 {
        self.hash.fingerprint([[kind].as_slice(), text.as_bytes()])
    }

    /// The name of an item with which servers are tried.
    pub(crate) fn trial(&self) -> String {
        format!("{}:1:check", self.prefix)
    }

    /// `PREFIX:1:KIND:KEY`. Nothing in it means something to Memcached or to a terminal.
    fn readable(&self, key: &Key, kind: u8) -> String {
        let mut name = format!("{}:1:{}:", self.prefix, char::from(kind));
        push_escaped(&mut name, key.as_str(), b"");
        name
    }
}

impl fmt::Debug for KeyNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyNames").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Memcached takes no longer ones.
const LONGEST: usize = 250;
