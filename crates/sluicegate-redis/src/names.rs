//! Names of accounts in Redis.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;
use sluicegate::{Algorithm, Key};

/// Gives accounts their names: `PREFIX:1:{TAG}:FINGERPRINT:KIND`.
///
/// The 1 is the version of what is kept there. The tag is the same for all keys of one [caller](Key::caller):
/// in a cluster they live together, and are taken in one step. The fingerprint is 128 bits of a SHA-256 of
/// the secret and the key, so that no name reveals the owner of an account. Anyone who knows the secret, or
/// if there is none, can try every name of a small set, such as addresses.
#[derive(Clone)]
pub(crate) struct Names {
    prefix: String,
    /// The state of the hash after the secret, so that each key costs one block.
    keyed: Sha256,
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

impl Names {
    pub(crate) fn new(prefix: &str, secret: &[u8], readable: bool, cluster: bool) -> Self {
        let mut keyed = Sha256::new();
        // Whole blocks: a short secret is padded, a long one is hashed, as HMAC does.
        let mut block = [0; 64];
        match block.get_mut(..secret.len()) {
            Some(start) => start.copy_from_slice(secret),
            None => block[..32].copy_from_slice(&Sha256::digest(secret)),
        }
        keyed.update(block);
        let key: [u8; 32] = keyed.clone().finalize().into();
        let half = |at: usize| key[at..at + 8].iter().fold(0, |half, byte| half << 8 | u64::from(*byte));
        let tags = SipHasher13::new_with_keys(half(0), half(8));
        Self { prefix: prefix.to_owned(), keyed, tags, readable, cluster }
    }

    /// The name of a key's account, and the cluster's slot where it lives.
    pub(crate) fn account(&self, key: &Key, algorithm: Algorithm) -> (String, u16) {
        let mut name = self.begin(key.caller());
        let slot = self.slot(&name);
        name.push(':');
        if self.readable {
            escaped(&mut name, key.as_str());
        } else {
            hexadecimal(&mut name, &self.hash(key.as_str())[..16]);
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

    fn hash(&self, text: &str) -> [u8; 32] {
        self.keyed.clone().chain_update(text.as_bytes()).finalize().into()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("prefix", &self.prefix).finish_non_exhaustive()
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

    /// The script's letter for it.
    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::TokenBucket => b't',
            Self::FixedWindow => b'f',
            Self::SlidingWindow => b's',
            Self::SlidingLog => b'g',
            Self::Concurrent => b'c',
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

/// Readable, and nothing in it that means something to Redis or to a terminal. Never empty: an empty tag is none.
fn escaped(name: &mut String, text: &str) {
    name.push('=');
    for byte in text.bytes() {
        match byte {
            b'{' | b'}' | b'%' => {}
            _ if byte.is_ascii_graphic() => {
                name.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        let _ = write!(name, "%{byte:02X}");
    }
}

/// The slots of a cluster.
pub(crate) const SLOTS: u16 = 16_384;
