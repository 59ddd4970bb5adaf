//! Token buckets, kept as one time: the generic cell rate algorithm (ITU-T I.371).

use super::{Account, Standing};
use crate::{Charge, Cost, Quota, Timestamp};

/// A token bucket, kept as the time at which it will be full: the theoretical arrival time of GCRA.
///
/// A cost of `c` moves that time by `⌈c·P/L⌉`; it fits while the time is no further ahead than a full bucket.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TokenBucket {
    full_at: Timestamp,
}

impl TokenBucket {
    /// A bucket that is full again at this time.
    #[must_use]
    pub const fn full_at(full_at: Timestamp) -> Self {
        Self { full_at }
    }

    /// Returns `true` if a charge fits and changes the bucket. One that costs nothing only looks.
    #[inline(always)]
    pub(crate) fn takes(self, charge: &Charge, now: Timestamp) -> bool {
        !charge.cost.is_zero() && self.judge(&charge.quota, charge.cost, now).fits()
    }

    /// Ticks until the bucket is full.
    #[inline]
    fn level(self, now: Timestamp) -> u64 {
        // Clamped at now, not at `now − burst`: time that a full bucket has idled earns nothing.
        self.full_at.ticks().saturating_sub(now.ticks())
    }

    #[inline(always)]
    fn balance(quota: &Quota, level: u64) -> Standing {
        let room = quota.tolerance().saturating_sub(level);
        let next = level.saturating_add(quota.emission()).saturating_sub(quota.tolerance());
        Standing::after(quota.units_in(room).min(quota.burst_size()), level, next)
    }
}

impl Account for TokenBucket {
    #[inline(always)]
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        let level = self.level(now);
        let after = level.saturating_add(quota.worth(cost.units()));
        if after <= quota.tolerance() && quota.can_hold(cost) {
            return Self::balance(quota, after);
        }
        let denied = Self::balance(quota, level);
        if !quota.can_hold(cost) {
            denied.forever()
        } else if cost.is_zero() {
            // A bucket in debt denies no peek: nothing is asked of it.
            denied
        } else {
            denied.until(after - quota.tolerance())
        }
    }

    #[inline]
    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        let from = self.full_at.max(now).ticks();
        self.full_at = Timestamp::from_ticks(from.saturating_add(quota.worth(cost.units())));
    }

    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, _taken_at: Timestamp, now: Timestamp) {
        // The difference of the two worths, not the worth of the difference: settling must leave exactly what
        // charging the actual cost would have left.
        let (charged, owed) = (quota.worth(estimate.units()), quota.worth(actual.units()));
        let from = self.full_at.max(now).ticks();
        self.full_at = Timestamp::from_ticks(if owed > charged {
            from.saturating_add(owed - charged)
        } else {
            self.full_at.ticks().saturating_sub(charged - owed)
        });
    }

    #[inline]
    fn idle_at(&self) -> Timestamp {
        self.full_at
    }

    #[inline]
    fn spent(&self, now: Timestamp) -> u64 {
        self.level(now)
    }
}
