//! Operations of a shard on the accounts of any algorithm.

use crate::fingerprint::Fingerprint;
use crate::{Charge, Cost, Lease, Quota, Timestamp, accounts::Standing};

/// The accounts of one algorithm in one shard. A key without an account has spent nothing.
pub(super) trait Accounts {
    /// Computes the state after taking `cost`. Changes nothing.
    fn judge(&self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, now: Timestamp) -> Standing;

    /// The same, once the `earlier` charges of the same request are taken from the same account.
    fn judge_after(
        &self,
        earlier: &mut dyn Iterator<Item = &Charge>,
        fingerprint: Fingerprint,
        quota: &Quota,
        cost: Cost,
        now: Timestamp,
    ) -> Standing;

    /// Takes `cost`, which was judged to fit.
    fn charge(&mut self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, lease: Lease, now: Timestamp);

    /// Replaces the `estimate` that `lease` was charged by the `actual` cost. Slots are given back.
    fn settle(
        &mut self,
        fingerprint: Fingerprint,
        quota: &Quota,
        estimate: Cost,
        actual: Cost,
        lease: Lease,
        now: Timestamp,
    );

    /// Forgets what a key has spent.
    fn reset(&mut self, fingerprint: Fingerprint);
}
