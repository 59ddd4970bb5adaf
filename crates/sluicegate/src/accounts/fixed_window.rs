//! Fixed windows, each from the first request of its key.

use super::{Account, Standing};
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
    /// The account as it stands at `now`.
    fn at(self, quota: &Quota, now: Timestamp) -> Self {
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

    fn until_end(self, now: Timestamp) -> u64 {
        self.ends.ticks().saturating_sub(now.ticks())
    }

    /// Ticks until `cost` fits: the end of this window, and of as many more as its debt fills.
    fn until_fits(self, quota: &Quota, cost: u64, now: Timestamp) -> u64 {
        let excess = self.count.saturating_add(cost).saturating_sub(quota.amount());
        match excess {
            0 => 0,
            _ => {
                let windows = excess.div_ceil(quota.amount().max(1)) - 1;
                self.until_end(now).saturating_add(windows.saturating_mul(quota.window_ticks()))
            }
        }
    }

    fn balance(self, quota: &Quota, now: Timestamp) -> Standing {
        let reset = self.idle_at.ticks().saturating_sub(now.ticks());
        Standing::after(quota.amount().saturating_sub(self.count), reset, self.until_fits(quota, 1, now))
    }
}

impl Account for FixedWindow {
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        let window = self.at(quota, now);
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

    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        *self = self.at(quota, now);
        if self.count == 0 && now >= self.ends {
            self.ends = Timestamp::from_ticks(now.ticks().saturating_add(quota.window_ticks()));
        }
        self.count = self.count.saturating_add(cost.units());
        self.worth = quota.worth(self.count);
        let windows = (self.count - 1) / quota.amount().max(1);
        let debt = windows.saturating_mul(quota.window_ticks());
        self.idle_at = Timestamp::from_ticks(self.ends.ticks().saturating_add(debt));
    }

    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp) {
        if actual > estimate {
            return self.charge(quota, Cost::new(actual.units() - estimate.units()), now);
        }
        let window = self.at(quota, now);
        let begins = window.ends.ticks().saturating_sub(quota.window_ticks());
        // A refund belongs to the window that was charged; a later one owes it nothing.
        if now < window.ends && taken_at.ticks() >= begins {
            *self = window;
            self.count = self.count.saturating_sub(estimate.units() - actual.units());
            self.worth = quota.worth(self.count);
        }
    }

    fn idle_at(&self) -> Timestamp {
        self.idle_at
    }

    fn spent(&self, now: Timestamp) -> u64 {
        if now < self.idle_at { self.worth } else { 0 }
    }
}
