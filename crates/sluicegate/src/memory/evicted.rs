//! Accounts evicted too early.

use std::ops::Add;

/// Accounts that were forgotten while they still mattered, because there was no room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evicted {
    pub(super) accounts: u64,
    /// Their spending: the maximum that was admitted beyond the quotas.
    pub(super) ticks: u64,
}

impl Evicted {
    pub(super) fn count(&mut self, ticks: u64) {
        *self = *self + Self { accounts: 1, ticks };
    }
}

impl Add for Evicted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { accounts: self.accounts + other.accounts, ticks: self.ticks.saturating_add(other.ticks) }
    }
}
