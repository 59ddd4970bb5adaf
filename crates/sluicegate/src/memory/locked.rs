//! The accounts of one request, while their shards are locked.

use std::sync::MutexGuard;

use super::{accounts::Accounts, glance::Glance, shard::Shard, token_buckets::Word};
use crate::{
    Charge, Cost, Timestamp,
    accounts::{Books, Standing},
    fingerprint::Fingerprint,
};

/// The accounts of one request, while their shards are locked.
pub(super) struct Locked<'a, 'g, W> {
    pub(super) charges: &'a [Charge],
    /// Of the charges' keys, index by index.
    pub(super) fingerprints: &'a [Fingerprint],
    /// Of each charge, which of the `shards` has its account, unless it is a token bucket.
    pub(super) places: &'a [usize],
    pub(super) shards: &'a [MutexGuard<'a, Shard>],
    pub(super) token_buckets: &'a Glance<'g, W>,
    pub(super) now: Timestamp,
}

impl<W> Locked<'_, '_, W> {
    /// The accounts of a charge's shard and algorithm. `None` for a token bucket.
    fn accounts(&self, charge: usize) -> Option<&dyn Accounts> {
        self.shards[self.places[charge]].accounts(self.charges[charge].quota.algorithm())
    }
}

impl<W: Word> Books for Locked<'_, '_, W> {
    fn same_account(&self, charge: usize, other: usize) -> bool {
        self.token_buckets.same_account(charge, other)
    }

    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        let quota = &self.charges[charge].quota;
        match self.accounts(charge) {
            Some(accounts) => accounts.judge(self.fingerprints[charge], quota, cost, self.now),
            None => self.token_buckets.judge(charge, cost),
        }
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let quota = &self.charges[charge].quota;
        match self.accounts(charge) {
            Some(accounts) => accounts.judge_after(earlier, self.fingerprints[charge], quota, cost, self.now),
            None => self.token_buckets.judge_after(earlier, charge, cost),
        }
    }
}
