//! Code common to accounts that count in windows.

use super::{Account, Standing};
use crate::{Cost, Quota, Timestamp};

/// An account that counts in windows, one after the other.
pub(super) trait Window: Account + Copy {
    /// The account as it stands at `now`.
    fn at(self, quota: &Quota, now: Timestamp) -> Self;

    /// Ticks until `cost` fits; of an account as it stands at `now`, as is the next.
    fn until_fits(self, quota: &Quota, cost: u64, now: Timestamp) -> u64;

    /// The amount left.
    fn balance(self, quota: &Quota, now: Timestamp) -> Standing;
}

/// [`Account::judge`] for windows.
pub(super) fn judge<W: Window>(account: W, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
    let window = account.at(quota, now);
    if cost.is_zero() {
        return window.balance(quota, now);
    }
    if !quota.can_hold(cost) {
        return window.balance(quota, now).forever();
    }
    match window.until_fits(quota, cost.units(), now) {
        0 => {
            let mut after = window;
            after.charge(quota, cost, now);
            after.balance(quota, now)
        }
        wait => window.balance(quota, now).until(wait),
    }
}
