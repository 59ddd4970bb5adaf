//! The charges of a request, with the hashes of their keys.

use smallvec::SmallVec;

use super::epochs::Epochs;
use crate::{
    Algorithm, Charge,
    fingerprint::{Fingerprint, ODD, Secret},
};

/// The charges of a request, with the fingerprints of their keys and the epochs of their accounts.
pub(super) struct HashedCharges<'a> {
    pub(super) charges: &'a [Charge],
    pub(super) fingerprints: SmallVec<[Fingerprint; 4]>,
    /// The epoch of each account when the request came.
    pub(super) epochs: SmallVec<[u32; 4]>,
}

impl<'a> HashedCharges<'a> {
    #[inline]
    pub(super) fn of(charges: &'a [Charge], secret: &Secret, epochs: &Epochs) -> Self {
        let fingerprints = charges.iter().map(|charge| secret.fingerprint(&charge.key)).collect();
        let mut hashed = Self { charges, fingerprints, epochs: SmallVec::new() };
        hashed.epochs = hashed.accounts().map(|(_, account)| epochs.of(account)).collect();
        hashed
    }

    /// The charges, each with its account's number.
    #[inline]
    pub(super) fn accounts(&self) -> impl Iterator<Item = (&'a Charge, u64)> {
        let number = |(charge, fingerprint): (&'a Charge, &Fingerprint)| {
            (charge, fingerprint.account(charge.quota.algorithm()))
        };
        self.charges.iter().zip(&self.fingerprints).map(number)
    }

    /// A number that is the same for the same keys and algorithms.
    #[inline]
    pub(super) fn place(&self) -> u64 {
        self.accounts().fold(ODD, |place, (_, account)| (place.rotate_left(32) ^ account).wrapping_mul(ODD))
    }

    /// Returns `true` if two charges are on one account.
    pub(super) fn same_account(&self, charge: usize, other: usize) -> bool {
        let of = |index: usize| (self.fingerprints[index], self.charges[index].quota.algorithm());
        of(charge) == of(other)
    }

    /// Ends the epoch of each account that these charges change.
    pub(super) fn end_epochs(&self, epochs: &Epochs, changes: impl Fn(usize, &Charge) -> bool) {
        for (index, (charge, account)) in self.accounts().enumerate() {
            // What a concurrent limit denies is not remembered.
            if charge.quota.algorithm() != Algorithm::Concurrent && changes(index, charge) {
                epochs.end(account);
            }
        }
    }
}
