//! The token buckets of one request, as they were at a glance.

use smallvec::SmallVec;

use super::token_buckets::{Entry, Hold, TokenBuckets, Word};
use crate::{
    Algorithm, Charge, Cost, Timestamp,
    accounts::{Account, Books, Standing, TokenBucket},
    fingerprint::Fingerprint,
};

/// The token buckets of one request, as they were at a glance. They are charged only if they still are so.
///
/// Token buckets are read without a lock, each at one moment. All other accounts are in [shards](super::shard).
pub(super) struct Glance<'g, W> {
    charges: &'g [Charge],
    /// Of the charges' keys, index by index.
    fingerprints: &'g [Fingerprint],
    token_buckets: &'g TokenBuckets<W>,
    /// Of each charge, the token bucket, if its key has one.
    entries: SmallVec<[Option<Entry<'g, W>>; INLINE]>,
    now: Timestamp,
}

/// The held slots of a request's token buckets, each with the first charge on it.
pub(super) type Holds<'g, W> = SmallVec<[(usize, Hold<'g, W>); INLINE]>;

impl<'g, W: Word> Glance<'g, W> {
    pub(super) fn at(
        token_buckets: &'g TokenBuckets<W>,
        charges: &'g [Charge],
        fingerprints: &'g [Fingerprint],
        now: Timestamp,
    ) -> Self {
        let mut glance = Self { charges, fingerprints, token_buckets, entries: SmallVec::new(), now };
        for (index, charge) in charges.iter().enumerate() {
            let entry = match charge.quota.algorithm() {
                Algorithm::TokenBucket => match glance.first(index) {
                    // Charges on one account must see it at the same moment.
                    Some(earlier) => glance.entries[earlier],
                    None => token_buckets.entry(fingerprints[index]),
                },
                _ => None,
            };
            glance.entries.push(entry);
        }
        glance
    }

    /// Locks all token buckets that the request is charged on, or none if one of them has changed.
    ///
    /// If one is lacking, no other thread may give its key an account. No thread waits here while it holds a slot, so
    /// no two of them wait for each other.
    pub(super) fn hold(&self) -> Option<Holds<'g, W>> {
        let mut order: SmallVec<[(usize, usize); INLINE]> = SmallVec::new();
        for (index, charge) in self.charges.iter().enumerate() {
            if is_kept(charge) && !self.kept_before(index) {
                order.push((self.entries[index].map_or(usize::MAX, Entry::address), index));
            }
        }
        // In the same order in all threads, so that of several with the same accounts the first one wins them all.
        order.sort_unstable();
        let mut holds = Holds::new();
        for (_, index) in order {
            let hold = match self.entries[index] {
                Some(entry) => entry.hold()?,
                None => self.token_buckets.claim(self.fingerprints[index], self.now)?,
            };
            holds.push((index, hold));
        }
        Some(holds)
    }

    /// Charges all held token buckets. Others see it once the holds are dropped.
    pub(super) fn charge(&self, holds: &mut Holds<'g, W>) {
        for (first, hold) in holds {
            let mut account = self.account(*first);
            for (index, charge) in self.charges.iter().enumerate().skip(*first) {
                if self.same_account(*first, index) {
                    account.charge(&charge.quota, charge.cost, self.now);
                }
            }
            self.token_buckets.keep(hold, self.fingerprints[*first], account, self.now);
        }
    }

    fn account(&self, charge: usize) -> TokenBucket {
        self.entries[charge].map(Entry::account).unwrap_or_default()
    }

    /// The first charge on the same account, if it is not this one.
    fn first(&self, charge: usize) -> Option<usize> {
        (0..charge).find(|earlier| self.same_account(*earlier, charge))
    }

    /// Returns `true` if the account is kept for an earlier charge already.
    fn kept_before(&self, charge: usize) -> bool {
        (0..charge).any(|earlier| is_kept(&self.charges[earlier]) && self.same_account(earlier, charge))
    }
}

/// The books of a request whose accounts are all token buckets.
impl<W: Word> Books for Glance<'_, W> {
    #[inline]
    fn same_account(&self, charge: usize, other: usize) -> bool {
        self.fingerprints[charge] == self.fingerprints[other]
            && self.charges[charge].quota.algorithm() == self.charges[other].quota.algorithm()
    }

    #[inline]
    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        self.account(charge).judge(&self.charges[charge].quota, cost, self.now)
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let mut account = self.account(charge);
        for charge in earlier {
            account.charge(&charge.quota, charge.cost, self.now);
        }
        account.judge(&self.charges[charge].quota, cost, self.now)
    }
}

/// Returns `true` if the charge changes a token bucket.
fn is_kept(charge: &Charge) -> bool {
    charge.quota.algorithm() == Algorithm::TokenBucket && !charge.cost.is_zero()
}

/// As many charges as are judged without an allocation.
const INLINE: usize = 4;
