//! Fixed windows, each from the first request of its key.

use super::{
    Account, Standing,
    window::{self, Window},
};
use crate::{Cost, Quota, Timestamp};

/// A count that begins with a key's first charge and ends a window later.
///
/// A debt does not end with its window: what was spent above the amount counts in the next one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FixedWindow {
    ends: Timestamp,
    count: u64,
    idle_at: Timestamp,
    /// Ticks that the count is worth, to compare accounts of different quotas.
    worth: u64,
}

impl FixedWindow {
    /// A count in a window that ends then; a debt may keep the account from being idle for longer.
    #[must_use]
    pub fn of(quota: &Quota, ends: Timestamp, count: u64, idle_at: Timestamp) -> Self {
        Self { ends, count, idle_at, worth: quota.worth(count) }
    }

    /// The end of the window.
    #[must_use]
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// The count of the window.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The account with another count in the same window.
    fn counting(self, quota: &Quota, count: u64) -> Self {
        if count == 0 {
            return Self::default();
        }
        let windows = (count - 1) / quota.amount().max(1);
        let debt = windows.saturating_mul(quota.window_ticks());
        let idle_at = Timestamp::from_ticks(self.ends.ticks().saturating_add(debt));
        Self { ends: self.ends, count, idle_at, worth: quota.worth(count) }
    }

    fn until_idle(self, now: Timestamp) -> u64 {
        self.idle_at.ticks().saturating_sub(now.ticks())
    }
}

impl Window for FixedWindow {
    fn at(self, quota: &Quota, now: Timestamp) -> Self {
        if now >= self.idle_at {
            return Self::default();
        }
        if now < self.ends {
            return self;
        }
        // A quota that is concurrent or admits nothing has no window to roll.
        let window = quota.window_ticks().max(1);
        let passed = (now.ticks() - self.ends.ticks()) / window + 1;
        match self.count.saturating_sub(quota.amount().saturating_mul(passed)) {
            0 => Self::default(),
            owed => {
                let ends = self.ends.ticks().saturating_add(window.saturating_mul(passed));
                Self { ends: Timestamp::from_ticks(ends), count: owed, ..self }
            }
        }
    }

    fn until_fits(self, quota: &Quota, cost: u64, now: Timestamp) -> u64 {
        let excess = self.count.saturating_add(cost).saturating_sub(quota.amount());
        if excess == 0 {
            return 0;
        }
        let windows = excess.div_ceil(quota.amount().max(1)) - 1;
        let until_end = self.ends.ticks().saturating_sub(now.ticks());
        // A count that fitted a larger quota is no debt to this one: it goes when its own quota says so.
        until_end.saturating_add(windows.saturating_mul(quota.window_ticks())).min(self.until_idle(now))
    }

    fn balance(self, quota: &Quota, now: Timestamp) -> Standing {
        let remaining = quota.amount().saturating_sub(self.count);
        Standing::after(remaining, self.until_idle(now), self.until_fits(quota, 1, now))
    }
}

impl Account for FixedWindow {
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        window::judge(*self, quota, cost, now)
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        let mut window = self.at(quota, now);
        if window.count == 0 {
            window.ends = Timestamp::from_ticks(now.ticks().saturating_add(quota.window_ticks()));
        }
        *self = window.counting(quota, window.count.saturating_add(cost.units()));
    }

    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp) {
        if actual > estimate {
            return self.charge(quota, Cost::new(actual.units() - estimate.units()), now);
        }
        let window = self.at(quota, now);
        let begins = window.ends.ticks().saturating_sub(quota.window_ticks());
        // A refund belongs to the window that was charged; a later one owes it nothing.
        if now < window.ends && taken_at.ticks() >= begins {
            let refunded = window.count.saturating_sub(estimate.units() - actual.units());
            // What fitted another quota meanwhile is no debt to this one.
            let refunded = window.counting(quota, refunded);
            *self = Self { idle_at: refunded.idle_at.min(window.idle_at), ..refunded };
        }
    }

    fn idle_at(&self) -> Timestamp {
        self.idle_at
    }

    fn spent(&self, now: Timestamp) -> u64 {
        if now < self.idle_at { self.worth } else { 0 }
    }
}
