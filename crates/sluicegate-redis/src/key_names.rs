//! The names of accounts in Redis.

use std::fmt;

use siphasher::sip::SipHasher13;
use sluicegate::{Algorithm, Key};
use sluicegate_remote::{KeyedHash, letter, push_escaped};

/// Gives accounts their names: `PREFIX:1:{TAG}:FINGERPRINT:KIND`.
///
/// The 1 is the version of the format. The tag is the same for all keys of one [caller](Key::caller): in
/// a cluster they live together, and are taken in one step. The fingerprint is the [hash](KeyedHash) of the key.
#[derive(Clone)]
pub(crate) struct KeyNames {
    prefix: String,
    hash: KeyedHash,
    /// A quicker hash, under a key that the secret gives: who shares a tag with whom matters to nobody.
    tags: SipHasher13,
    readable: bool,
    cluster: bool,
}

/// The kind of a named thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    TokenBucket,
    FixedWindow,
    SlidingWindow,
    SlidingLog,
    Concurrent,
    /// The mark of a settled request.
    Mark,
}

impl KeyNames {
    pub(crate) fn new(prefix: &str, secret: &[u8], readable: bool, cluster: bool) -> Self {
        let hash = KeyedHash::new(secret);
        let key = hash.fingerprint([]);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of a key")]
        let tags = SipHasher13::new_with_keys((key >> 64) as u64, key as u64);
        Self { prefix: prefix.to_owned(), hash, tags, readable, cluster }
    }

    /// The name of a key's account, and the cluster's slot where it lives.
    pub(crate) fn account(&self, key: &Key, algorithm: Algorithm) -> (String, u16) {
        let mut name = self.begin(key.caller());
        let slot = self.slot(&name);
        name.push(':');
        if self.readable {
            escaped(&mut name, key.as_str());
        } else {
            hexadecimal(&mut name, &self.hash.fingerprint([key.as_bytes()]).to_be_bytes());
        }
        name.push(':');
        name.push(char::from(Kind::from(algorithm).letter()));
        (name, slot)
    }

    /// The name of the mark of a lease's settlement, in the slot of this account.
    pub(crate) fn mark(account: &str, lease: u64) -> String {
        let tag = account.find('}').map_or(account, |end| &account[..=end]);
        format!("{tag}:{lease:016x}:m")
    }

    /// The cluster's slot where a key's accounts live.
    pub(crate) fn slot_of(&self, key: &Key) -> u16 {
        if self.cluster { self.slot(&self.begin(key.caller())) } else { 0 }
    }

    /// The pattern that matches all accounts' names, and nothing else: those of another prefix that begins
    /// with this one do not match.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for c in self.prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern + ":1:{*"
    }

    /// `PREFIX:1:{TAG}`
    fn begin(&self, tag: &str) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 64);
        name.push_str(&self.prefix);
        name.push_str(":1:{");
        if self.readable {
            escaped(&mut name, tag);
        } else {
            // As long as it takes to spread over a cluster's slots.
            hexadecimal(&mut name, &self.tags.hash(tag.as_bytes()).to_be_bytes()[..4]);
        }
        name.push('}');
        name
    }

    /// The cluster's slot where an account of this name lives.
    pub(crate) fn slot(&self, account: &str) -> u16 {
        let tag = account.split(['{', '}']).nth(1).unwrap_or_default();
        if self.cluster { crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % SLOTS } else { 0 }
    }
}

impl fmt::Debug for KeyNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyNames").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Kind {
    /// The kind of the account or mark of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        const ALL: [Kind; 6] = [
            Kind::TokenBucket,
            Kind::FixedWindow,
            Kind::SlidingWindow,
            Kind::SlidingLog,
            Kind::Concurrent,
            Kind::Mark,
        ];
        ALL.into_iter().find(|kind| name.bytes().next_back() == Some(kind.letter()))
    }

    /// Returns its letter, in names and in the script.
    pub(crate) const fn letter(self) -> u8 {
        match self {
            Self::TokenBucket => letter(Algorithm::TokenBucket),
            Self::FixedWindow => letter(Algorithm::FixedWindow),
            Self::SlidingWindow => letter(Algorithm::SlidingWindow),
            Self::SlidingLog => letter(Algorithm::SlidingLog),
            Self::Concurrent => letter(Algorithm::Concurrent),
            Self::Mark => b'm',
        }
    }
}

impl From<Algorithm> for Kind {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::TokenBucket => Self::TokenBucket,
            Algorithm::FixedWindow => Self::FixedWindow,
            Algorithm::SlidingWindow => Self::SlidingWindow,
            Algorithm::SlidingLog => Self::SlidingLog,
            Algorithm::Concurrent => Self::Concurrent,
        }
    }
}

fn hexadecimal(name: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        // Formatting takes longer than hashing does.
        name.push(char::from(DIGITS[usize::from(byte >> 4)]));
        name.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Readable, and without braces, which mean something to Redis. Never empty: an empty tag is none.
fn escaped(name: &mut String, text: &str) {
    name.push('=');
    push_escaped(name, text, b"{}");
}

/// The slots of a cluster.
pub(crate) const SLOTS: u16 = 16_384;
