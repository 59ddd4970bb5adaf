//! The books of one account.

use std::{fmt::Debug, time::Duration};

use sluicegate::{Cost, Lease, Quota, Timestamp};

/// The books of one account.
pub(super) trait Book: Debug {
    /// Computes when charges of these costs fit together, all of them within the quota's burst, seen from
    /// `now`.
    fn due(&self, quota: &Quota, costs: &[Cost], now: u128) -> Due;

    /// Computes when nothing is spent any more, seen from `now`.
    fn full(&self, quota: &Quota, now: u128) -> Due;

    /// Takes `cost`, as the store did at the lease's time.
    fn charge(&mut self, quota: &Quota, cost: Cost, lease: Lease);

    /// Replaces the first cost by the second.
    fn settle(&mut self, quota: &Quota, costs: [Cost; 2], lease: Lease, moment: Moment);
}

/// Two readings of a store's clock, and something that happened between them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The reading before.
    pub earliest: Timestamp,
    /// The reading after; the same on a clock that stands still.
    pub latest: Timestamp,
}

impl Moment {
    /// Combines the views from both ends of the moment.
    pub(super) fn see(self, due: impl Fn(u128) -> Due) -> Due {
        Due::between(due(tick_of(self.latest)), due(tick_of(self.earliest)))
    }

    /// A moment that may have been so many ticks earlier or later.
    #[must_use]
    pub fn give_or_take(self, ticks: u64) -> Self {
        Self {
            earliest: Timestamp::from_ticks(self.earliest.ticks().saturating_sub(ticks)),
            latest: Timestamp::from_ticks(self.latest.ticks().saturating_add(ticks)),
        }
    }
}

/// The time when a charge fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// After this many ticks at least, and at most.
    In(u128, u128),
    /// After a slot is released.
    OnRelease,
    /// Not in any time.
    Never,
}

impl Due {
    /// At once.
    pub const NOW: Self = Self::In(0, 0);

    /// After exactly so many ticks.
    pub(super) const fn after(ticks: u128) -> Self {
        Self::In(ticks, ticks)
    }

    /// Somewhere between what was seen late, and what was seen early.
    pub(super) fn between(late: Self, early: Self) -> Self {
        match (late, early) {
            (Self::In(least, _), Self::In(_, most)) => Self::In(least, most),
            (late, _) => late,
        }
    }

    /// Returns `true` if it may be admitted now.
    #[must_use]
    pub fn may_be_now(self) -> bool {
        matches!(self, Self::In(0, _))
    }

    /// Returns `true` if it must be admitted now.
    #[must_use]
    pub fn must_be_now(self) -> bool {
        self == Self::NOW
    }
}

/// Sixteen to the nanosecond, as in [`Timestamp`].
pub(super) fn ticks(duration: Duration) -> u128 {
    duration.as_nanos() * 16
}

pub(super) fn tick_of(timestamp: Timestamp) -> u128 {
    timestamp.ticks().into()
}

pub(super) fn sum(costs: &[Cost]) -> u128 {
    costs.iter().map(|cost| u128::from(cost.units())).sum()
}
