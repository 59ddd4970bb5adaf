//! Sliding windows of two counts.

use sluicegate::{Cost, Lease, Quota};

use super::book::{Book, Due, Moment, sum, tick_of, ticks};

/// This window's count and the last one's.
#[derive(Clone, Debug, Default)]
pub(super) struct Fading {
    begins: u128,
    current: u128,
    previous: u128,
    /// The time when the account is forgotten, by the quota that was charged last.
    forgotten: u128,
}

impl Fading {
    fn next_window(&mut self, quota: &Quota) {
        self.previous = self.current.min(quota.amount().into());
        self.current -= self.previous;
        self.begins += ticks(quota.window());
    }

    fn is_empty(&self) -> bool {
        self.current == 0 && self.previous == 0
    }

    fn at(&self, quota: &Quota, now: u128) -> Self {
        let mut then = self.clone();
        while now >= then.begins + ticks(quota.window()) && now < then.forgotten {
            then.next_window(quota);
        }
        if now >= then.forgotten || then.is_empty() { Self::default() } else { then }
    }

    /// Returns `true` if `units` fit at this point of the window.
    fn fits(&self, quota: &Quota, units: u128, elapsed: u128) -> bool {
        let window = ticks(quota.window());
        (self.current + units) * window + self.previous * (window - elapsed)
            <= u128::from(quota.amount()) * window
    }

    /// The first window's beginning at which nothing is left.
    fn faded(&self, quota: &Quota) -> u128 {
        let mut then = self.clone();
        while !then.is_empty() {
            then.next_window(quota);
        }
        then.begins
    }
}

impl Book for Fading {
    fn due(&self, quota: &Quota, costs: &[Cost], now: u128) -> Due {
        let units = sum(costs);
        let (mut then, mut time) = (self.at(quota, now), now);
        loop {
            if then.is_empty() {
                return Due::after(time - now);
            }
            // The first moment of this window at which they fit, between one at which they don't and its end.
            // What began within the moment may begin after what is asked.
            let (window, elapsed) = (ticks(quota.window()), time.saturating_sub(then.begins));
            let (mut too_early, mut end) = (elapsed, window);
            if then.fits(quota, units, elapsed) {
                return Due::after(time - now);
            }
            while end - too_early > 1 {
                let middle = too_early.midpoint(end);
                if then.fits(quota, units, middle) { end = middle } else { too_early = middle }
            }
            time = (then.begins + end).min(then.forgotten);
            then = then.at(quota, time);
        }
    }

    fn full(&self, quota: &Quota, now: u128) -> Due {
        if self.at(quota, now).is_empty() { Due::NOW } else { Due::after(self.forgotten - now) }
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, lease: Lease) {
        let now = tick_of(lease.taken_at);
        *self = self.at(quota, now);
        if self.is_empty() {
            self.begins = now;
        }
        self.current += u128::from(cost.units());
        self.forgotten = self.faded(quota);
    }

    fn settle(&mut self, quota: &Quota, [estimate, actual]: [Cost; 2], lease: Lease, moment: Moment) {
        if actual > estimate {
            let debt = Cost::new(actual.units() - estimate.units());
            return self.charge(quota, debt, Lease { taken_at: moment.latest, ..lease });
        }
        let mut then = self.at(quota, tick_of(moment.latest));
        let refund = u128::from(estimate.units() - actual.units());
        let taken_at = tick_of(lease.taken_at);
        if taken_at >= then.begins {
            then.current = then.current.saturating_sub(refund);
        } else if taken_at + ticks(quota.window()) >= then.begins {
            then.previous = then.previous.saturating_sub(refund);
        } else {
            return;
        }
        then.forgotten = then.forgotten.min(then.faded(quota));
        *self = then;
    }
}
