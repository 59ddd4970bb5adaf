//! Sliding windows of two counters.

use super::{
    Account, Standing,
    window::{self, Window},
};
use crate::{Cost, Quota, Timestamp};

/// This window's count, and the last one's, which fades evenly as this window passes.
///
/// A charge fits while `(current + c)·W + previous·(W − elapsed) ≤ L·W`, compared without dividing. Windows
/// follow one another from a key's first charge. What is spent above the amount counts in the next window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SlidingWindow {
    begins: Timestamp,
    current: u64,
    previous: u64,
    idle_at: Timestamp,
    /// Ticks that both counts are worth, to compare accounts of different quotas.
    worth: u64,
}

impl SlidingWindow {
    /// The counts of a window that began then, and of the one before it.
    #[must_use]
    pub fn of(quota: &Quota, begins: Timestamp, [current, previous]: [u64; 2], idle_at: Timestamp) -> Self {
        let worth = quota.worth(current.saturating_add(previous));
        Self { begins, current, previous, idle_at, worth }
    }

    /// The beginning of this window.
    #[must_use]
    pub const fn begins(&self) -> Timestamp {
        self.begins
    }

    /// The counts of this window and the one before it.
    #[must_use]
    pub const fn counts(&self) -> [u64; 2] {
        [self.current, self.previous]
    }

    fn is_fresh(self) -> bool {
        self.current == 0 && self.previous == 0
    }

    /// The counts after `passed ≥ 1` windows in which nothing is spent. Each takes at most the amount over as its
    /// predecessor's count; the rest is debt, and counts as spent in it.
    fn after(self, quota: &Quota, passed: u64) -> Self {
        let left = |windows: u64| self.current.saturating_sub(quota.amount().saturating_mul(windows));
        Self { current: left(passed), previous: left(passed - 1).min(quota.amount()), ..self }
    }

    /// The account with other counts in the same windows.
    fn counting(self, quota: &Quota, current: u64, previous: u64) -> Self {
        let windows = match (current, previous) {
            (0, 0) => return Self::default(),
            (0, _) => 1,
            _ => ((current - 1) / quota.amount().max(1)).saturating_add(2),
        };
        let lasts = windows.saturating_mul(quota.window_ticks());
        let idle_at = Timestamp::from_ticks(self.begins.ticks().saturating_add(lasts));
        let worth = quota.worth(current.saturating_add(previous));
        Self { begins: self.begins, current, previous, idle_at, worth }
    }

    /// Ticks from `elapsed` into this window until `cost` fits, or `None` if it does not fit in this window.
    fn until_fits_here(self, quota: &Quota, cost: u64, elapsed: u64) -> Option<u64> {
        let room = quota.amount().checked_sub(self.current.checked_add(cost)?)?;
        if self.previous == 0 {
            return Some(0);
        }
        // previous·(W − e) ≤ room·W  ⇔  e ≥ W − ⌊room·W / previous⌋
        let window = u128::from(quota.window_ticks());
        let fading = (u128::from(room) * window / u128::from(self.previous)).min(window);
        // At most W, which came from 64 bits.
        let elapsed_then = u64::try_from(window - fading).unwrap_or(u64::MAX);
        Some(elapsed_then.saturating_sub(elapsed))
    }

    fn until_idle(self, now: Timestamp) -> u64 {
        self.idle_at.ticks().saturating_sub(now.ticks())
    }
}

impl Window for SlidingWindow {
    fn at(self, quota: &Quota, now: Timestamp) -> Self {
        if now >= self.idle_at {
            return Self::default();
        }
        let window = quota.window_ticks().max(1);
        let passed = now.ticks().saturating_sub(self.begins.ticks()) / window;
        if passed == 0 {
            return self;
        }
        let spent = self.after(quota, passed);
        if spent.is_fresh() {
            Self::default()
        } else {
            let begins = self.begins.ticks().saturating_add(window.saturating_mul(passed));
            Self { begins: Timestamp::from_ticks(begins), ..spent }
        }
    }

    fn until_fits(self, quota: &Quota, cost: u64, now: Timestamp) -> u64 {
        let elapsed = now.ticks().saturating_sub(self.begins.ticks());
        if let Some(ticks) = self.until_fits_here(quota, cost, elapsed) {
            return ticks.min(self.until_idle(now));
        }
        let excess = self.current.saturating_add(cost).saturating_sub(quota.amount());
        let windows = excess.div_ceil(quota.amount().max(1)).max(1);
        let begins = quota.window_ticks().saturating_mul(windows).saturating_sub(elapsed);
        let there = self.after(quota, windows).until_fits_here(quota, cost, 0).unwrap_or(u64::MAX);
        // Counts that fitted a larger quota are no debt to this one: they go when their own quota says so.
        begins.saturating_add(there).min(self.until_idle(now))
    }

    fn balance(self, quota: &Quota, now: Timestamp) -> Standing {
        let window = u128::from(quota.window_ticks().max(1));
        let elapsed = u128::from(now.ticks().saturating_sub(self.begins.ticks())).min(window);
        let faded = (u128::from(self.previous) * (window - elapsed)).div_ceil(window);
        let spent = u128::from(self.current) + faded;
        let remaining = u128::from(quota.amount()).saturating_sub(spent);
        // Never more than the amount, which came from 64 bits.
        let remaining = u64::try_from(remaining).unwrap_or(u64::MAX);
        Standing::after(remaining, self.until_idle(now), self.until_fits(quota, 1, now))
    }
}

impl Account for SlidingWindow {
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        window::judge(*self, quota, cost, now)
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        let mut window = self.at(quota, now);
        if window.is_fresh() {
            window.begins = now;
        }
        *self = window.counting(quota, window.current.saturating_add(cost.units()), window.previous);
    }

    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp) {
        if actual > estimate {
            return self.charge(quota, Cost::new(actual.units() - estimate.units()), now);
        }
        let refund = estimate.units() - actual.units();
        let window = self.at(quota, now);
        let before = window.begins.ticks().saturating_sub(quota.window_ticks());
        // A refund belongs to the window that was charged; one that has faded away owes nothing.
        let [current, previous] = if taken_at >= window.begins {
            [window.current.saturating_sub(refund), window.previous]
        } else if taken_at.ticks() >= before {
            [window.current, window.previous.saturating_sub(refund)]
        } else {
            return;
        };
        // What fitted another quota meanwhile is no debt to this one.
        let refunded = window.counting(quota, current, previous);
        *self = Self { idle_at: refunded.idle_at.min(window.idle_at), ..refunded };
    }

    fn idle_at(&self) -> Timestamp {
        self.idle_at
    }

    fn spent(&self, now: Timestamp) -> u64 {
        if now < self.idle_at { self.worth } else { 0 }
    }
}
