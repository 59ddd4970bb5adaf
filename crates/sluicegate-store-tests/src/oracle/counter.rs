//! Fixed windows, one after the other.

use sluicegate::{Cost, Lease, Quota};

use super::book::{Book, Due, Moment, sum, tick_of, ticks};

/// Every charge of this window, and what is owed from those before.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    ends: u128,
    charges: Vec<(u128, u128)>,
    owed: u128,
    /// The time when the account is forgotten, by the quota that was charged last.
    forgotten: u128,
}

impl Counter {
    fn spent(&self) -> u128 {
        self.owed + self.charges.iter().map(|(_, units)| units).sum::<u128>()
    }

    fn next_window(&mut self, quota: &Quota) {
        self.owed = self.spent().saturating_sub(quota.amount().into());
        self.charges.clear();
        self.ends += ticks(quota.window());
    }

    fn at(&self, quota: &Quota, now: u128) -> Self {
        let mut then = self.clone();
        while now >= then.ends && now < then.forgotten {
            then.next_window(quota);
        }
        if now >= then.forgotten || then.spent() == 0 { Self::default() } else { then }
    }

    /// The first window's end at which nothing is owed.
    fn clear(&self, quota: &Quota) -> u128 {
        let mut then = self.clone();
        while then.spent() > quota.amount().into() {
            then.next_window(quota);
        }
        then.ends
    }
}

impl Book for Counter {
    fn due(&self, quota: &Quota, costs: &[Cost], now: u128) -> Due {
        let (mut then, mut time) = (self.at(quota, now), now);
        while then.spent() + sum(costs) > quota.amount().into() {
            time = then.ends.min(then.forgotten);
            then = then.at(quota, time);
        }
        Due::after(time - now)
    }

    fn full(&self, quota: &Quota, now: u128) -> Due {
        match self.at(quota, now).spent() {
            0 => Due::NOW,
            _ => Due::after(self.forgotten - now),
        }
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, lease: Lease) {
        let now = tick_of(lease.taken_at);
        *self = self.at(quota, now);
        if self.spent() == 0 {
            self.ends = now + ticks(quota.window());
        }
        self.charges.push((now, cost.units().into()));
        self.forgotten = self.clear(quota);
    }

    fn settle(&mut self, quota: &Quota, [estimate, actual]: [Cost; 2], lease: Lease, moment: Moment) {
        let now = moment.latest;
        if actual > estimate {
            let debt = Cost::new(actual.units() - estimate.units());
            return self.charge(quota, debt, Lease { taken_at: now, ..lease });
        }
        let mut then = self.at(quota, tick_of(now));
        let mut refund = u128::from(estimate.units() - actual.units());
        let charged = then.charges.iter_mut().filter(|(at, _)| *at == tick_of(lease.taken_at));
        let mut found = false;
        for (_, units) in charged {
            let back = refund.min(*units);
            *units -= back;
            refund -= back;
            found = true;
        }
        // A window that is over was not charged, and owes nothing.
        if found {
            then.forgotten = then.forgotten.min(then.clear(quota));
            *self = then;
        }
    }
}
