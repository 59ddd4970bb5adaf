//! What the store keeps of a key.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use siphasher::sip128::SipHasher13;

use crate::Key;

/// A key as the store knows it: 128 bits of a keyed hash.
///
/// One half places the key, the other tells it from its neighbours. Two keys with the same fingerprint would
/// share an account: with ten million keys the chance of any such pair is below 10⁻⁹.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Fingerprint {
    place: u64,
    tag: u64,
}

impl Fingerprint {
    /// What a slot keeps. Never zero: that is an empty slot's.
    #[inline]
    pub(super) fn tag(self) -> u64 {
        self.tag
    }

    /// Which of `shards` (a power of two) keeps the key.
    #[inline]
    pub(super) fn shard(self, shards: usize) -> usize {
        // The tag's low bits, because the place's are needed whole. A lossless cast on every machine with 64 bits,
        // and a harmless one on others: there are fewer shards than bits remain.
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let bits = self.tag as usize;
        bits & (shards - 1)
    }

    /// The two buckets of `buckets` in which the key may be.
    #[inline]
    pub(super) fn buckets(self, buckets: u32) -> [usize; 2] {
        // Multiplying and shifting spreads 32 random bits over any number, without a division.
        let reduce = |bits: u64| ((bits & u64::from(u32::MAX)) * u64::from(buckets)) >> 32;
        #[expect(clippy::cast_possible_truncation, reason = "below `buckets`, which is 32 bits")]
        [reduce(self.place) as usize, reduce(self.place >> 32) as usize]
    }
}

/// The key of the hash. Nobody outside can choose keys that fall into one bucket.
#[derive(Clone)]
pub(super) struct Secret(SipHasher13);

impl Secret {
    /// A secret of 128 bits from the operating system.
    pub(super) fn random() -> Self {
        // The standard library's maps are keyed by the system's random numbers; hashing anything under such keys
        // gives a number as hard to guess, without another dependency.
        let random = || RandomState::new().hash_one(0_u64);
        Self(SipHasher13::new_with_keys(random(), random()))
    }

    #[inline]
    pub(super) fn fingerprint(&self, key: &Key) -> Fingerprint {
        let hash = self.0.hash(key.as_bytes());
        Fingerprint { place: hash.h1, tag: hash.h2.max(1) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
