//! The accounts of one request, while their shards are locked.

use std::sync::MutexGuard;

use super::{accounts::Accounts, shard::Shard};
use crate::{
    Charge, Cost, Timestamp,
    accounts::{Books, Standing},
    fingerprint::Fingerprint,
};

/// The accounts of one request, while their shards are locked.
pub(super) struct Locked<'a> {
    pub(super) charges: &'a [Charge],
    /// Of the charges' keys, index by index.
    pub(super) fingerprints: &'a [Fingerprint],
    /// Of each charge, which of the `shards` has its account.
    pub(super) places: &'a [usize],
    pub(super) shards: &'a [MutexGuard<'a, Shard>],
    pub(super) now: Timestamp,
}

impl Locked<'_> {
    fn accounts(&self, charge: usize) -> &dyn Accounts {
        self.shards[self.places[charge]].accounts(self.charges[charge].quota.algorithm())
    }
}

impl Books for Locked<'_> {
    fn same_account(&self, charge: usize, other: usize) -> bool {
        let account = |index: usize| (self.fingerprints[index], self.charges[index].quota.algorithm());
        account(charge) == account(other)
    }

    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        let quota = &self.charges[charge].quota;
        self.accounts(charge).judge(self.fingerprints[charge], quota, cost, self.now)
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let quota = &self.charges[charge].quota;
        self.accounts(charge).judge_after(earlier, self.fingerprints[charge], quota, cost, self.now)
    }
}
