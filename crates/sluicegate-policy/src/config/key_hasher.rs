//! Hashes of values that logs may not tell.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use siphasher::sip::SipHasher13;

/// A keyed hash of values that logs may not tell. Each value has one hash for as long as the hasher and its clones live.
///
/// Without the key, nobody can find an address by hashing all of them.
///
/// ```
/// use sluicegate_policy::KeyHasher;
///
/// let hasher = KeyHasher::random();
/// assert_eq!(hasher.hash(b"alice"), hasher.clone().hash(b"alice"));
/// assert_ne!(hasher.hash(b"alice"), KeyHasher::random().hash(b"alice"));
/// ```
#[derive(Clone)]
pub struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// A hasher with a key of its own.
    #[must_use]
    pub fn random() -> Self {
        // The standard library's maps are keyed by the system's random numbers. A hash under such a key is as hard to guess.
        let random = || RandomState::new().hash_one(0_u64);
        Self(SipHasher13::new_with_keys(random(), random()))
    }

    /// The hash of a value.
    #[inline]
    #[must_use]
    pub fn hash(&self, value: &[u8]) -> u64 {
        self.0.hash(value)
    }
}

impl fmt::Debug for KeyHasher {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHasher").finish_non_exhaustive()
    }
}
