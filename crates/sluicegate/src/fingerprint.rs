//! Fingerprints of keys.

mod siphash;

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
};

use siphash::SipHash;

use crate::{Algorithm, Key};

/// A key as the store knows it: 128 bits of a keyed hash.
///
/// One half places the key, the other tells it from its neighbours. Two keys with the same fingerprint would
/// share an account: with ten million keys the chance of any such pair is below 10⁻⁹.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint {
    place: u64,
    tag: u64,
}

impl Fingerprint {
    /// The fingerprint of these bits.
    #[cfg(test)]
    pub(crate) const fn of(place: u64, tag: u64) -> Self {
        Self { place, tag }
    }

    /// A number for the key's account of this algorithm.
    #[inline]
    pub(crate) fn account(self, algorithm: Algorithm) -> u64 {
        self.place.wrapping_add((algorithm as u64).wrapping_mul(ODD))
    }

    /// The part that a slot keeps. Never zero: that marks an empty slot.
    #[inline]
    pub(crate) fn tag(self) -> u64 {
        self.tag
    }

    /// A byte that most other keys of a bucket do not share, and never zero. It is there sooner than the tag, for the hash
    /// gives one half after the other.
    #[inline]
    pub(crate) fn hint(self) -> u8 {
        let [byte, ..] = self.place.to_le_bytes();
        byte.max(1)
    }

    /// Selects the shard of the key out of `shards` (a power of two).
    #[inline]
    pub(crate) fn shard(self, shards: usize) -> usize {
        // The tag's low bits, because the place's are needed whole. A lossless cast on every machine with 64 bits,
        // and a harmless one on others: there are fewer shards than bits remain.
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let bits = self.tag as usize;
        bits & (shards - 1)
    }

    /// The two buckets of `buckets` in which the key may be.
    #[inline]
    pub(crate) fn buckets(self, buckets: u32) -> [usize; 2] {
        // Multiplying and shifting spreads 32 random bits over any number, without a division.
        let reduce = |bits: u64| ((bits & u64::from(u32::MAX)) * u64::from(buckets)) >> 32;
        #[expect(clippy::cast_possible_truncation, reason = "below `buckets`, which is 32 bits")]
        [reduce(self.place) as usize, reduce(self.place >> 32) as usize]
    }
}

/// The key of the hash. Without it, keys that fall into one bucket cannot be chosen.
#[derive(Clone)]
pub(crate) struct Secret(SipHash);

impl Secret {
    /// A secret of 128 bits from the operating system.
    pub(crate) fn random() -> Self {
        // The standard library's maps are keyed by the system's random numbers; hashing anything under such keys
        // gives a number as hard to guess, without another dependency.
        let random = || RandomState::new().hash_one(0_u64);
        Self(SipHash::new([random(), random()]))
    }

    #[inline]
    pub(crate) fn fingerprint(&self, key: &Key) -> Fingerprint {
        let [place, tag] = self.0.hash(key.as_bytes());
        Fingerprint { place, tag: tag.max(1) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A hasher for maps by fingerprint. A fingerprint is a hash under a secret already, so nobody can choose keys that collide,
/// and hashing it again would only take time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FingerprintHasher(u64);

/// Makes the hashers of maps by fingerprint.
pub(crate) type ByFingerprint = BuildHasherDefault<FingerprintHasher>;

impl Hasher for FingerprintHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.wrapping_add(number).wrapping_mul(ODD);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 2⁶⁴ divided by the golden ratio, which spreads small numbers.
pub(crate) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
