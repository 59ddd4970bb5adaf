//! Sliding windows of every charge.

use std::collections::VecDeque;

use super::{Account, Standing};
use crate::{Cost, Quota, Timestamp};

/// The time and cost of every charge of the last window: exact, and as long as there are charges in it.
///
/// Oldest first, whatever the order in which they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SlidingLog {
    charges: VecDeque<(Timestamp, u64)>,
    idle_at: Timestamp,
    /// Ticks that the whole log is worth, to compare accounts of different quotas.
    worth: u64,
}

impl SlidingLog {
    /// A log of charges, oldest first.
    #[must_use]
    pub fn of(
        quota: &Quota,
        charges: impl IntoIterator<Item = (Timestamp, Cost)>,
        idle_at: Timestamp,
    ) -> Self {
        let charges: VecDeque<_> = charges.into_iter().map(|(at, cost)| (at, cost.units())).collect();
        let units = charges.iter().fold(0_u64, |sum, (_, units)| sum.saturating_add(*units));
        Self { charges, idle_at, worth: quota.worth(units) }
    }

    /// The charges that are remembered, oldest first.
    pub fn charges(&self) -> impl ExactSizeIterator<Item = (Timestamp, Cost)> {
        self.charges.iter().map(|(at, cost)| (*at, Cost::new(*cost)))
    }

    /// The charges that still count, oldest first.
    fn live(&self, quota: &Quota, now: Timestamp) -> impl Iterator<Item = (u64, u64)> {
        let (window, idle_at) = (quota.window_ticks(), self.idle_at.ticks());
        self.charges
            .iter()
            // No charge outlives the log, though this quota's window be longer than that of the quota it was made under.
            .map(move |(at, cost)| (at.ticks().saturating_add(window).min(idle_at), *cost))
            .filter(move |(ends, _)| *ends > now.ticks())
    }

    fn spent_units(&self, quota: &Quota, now: Timestamp) -> u64 {
        self.live(quota, now).fold(0, |sum: u64, (_, cost)| sum.saturating_add(cost))
    }

    /// Works out what follows from the charges.
    fn changed(&mut self, quota: &Quota, now: Timestamp) {
        let ends = |(at, _): &(Timestamp, u64)| at.ticks().saturating_add(quota.window_ticks());
        self.idle_at = Timestamp::from_ticks(self.charges.back().map_or(0, ends));
        self.worth = quota.worth(self.spent_units(quota, now));
    }

    /// Ticks until `cost` fits beside the log and a `charge` that was just taken.
    fn until_fits(&self, quota: &Quota, charge: u64, cost: u64, now: Timestamp) -> u64 {
        let spent = self.spent_units(quota, now).saturating_add(charge);
        let needed = spent.saturating_add(cost).saturating_sub(quota.amount());
        if needed == 0 {
            return 0;
        }
        let mut freed = 0_u64;
        for (ends, cost) in self.live(quota, now) {
            freed = freed.saturating_add(cost);
            if freed >= needed {
                return ends - now.ticks();
            }
        }
        quota.window_ticks()
    }

    /// The amount left after a `charge` that was just taken.
    fn balance(&self, quota: &Quota, charge: u64, now: Timestamp) -> Standing {
        let spent = self.spent_units(quota, now).saturating_add(charge);
        let last = self.live(quota, now).last().map_or(0, |(ends, _)| ends - now.ticks());
        let reset = if charge > 0 { quota.window_ticks() } else { last };
        Standing::after(quota.amount().saturating_sub(spent), reset, self.until_fits(quota, charge, 1, now))
    }
}

impl Account for SlidingLog {
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        if cost.is_zero() {
            return self.balance(quota, 0, now);
        }
        if !quota.can_hold(cost) {
            return self.balance(quota, 0, now).forever();
        }
        match self.until_fits(quota, 0, cost.units(), now) {
            0 => self.balance(quota, cost.units(), now),
            wait => self.balance(quota, 0, now).until(wait),
        }
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        let window = quota.window_ticks();
        while self.charges.front().is_some_and(|(at, _)| at.ticks().saturating_add(window) <= now.ticks()) {
            self.charges.pop_front();
        }
        // Two threads may come in another order than they read the clock.
        let later = self.charges.partition_point(|(at, _)| *at <= now);
        match later.checked_sub(1).and_then(|last| self.charges.get_mut(last)) {
            // Charges of one moment end together.
            Some((at, charged)) if *at == now => *charged = charged.saturating_add(cost.units()),
            _ => self.charges.insert(later, (now, cost.units())),
        }
        self.changed(quota, now);
    }

    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp) {
        if actual > estimate {
            return self.charge(quota, Cost::new(actual.units() - estimate.units()), now);
        }
        // A refund belongs to the charge that was taken; one that has ended owes nothing.
        let found = self.charges.binary_search_by_key(&taken_at, |(at, _)| *at);
        if let Some((_, charged)) = found.ok().and_then(|index| self.charges.get_mut(index)) {
            *charged = charged.saturating_sub(estimate.units() - actual.units());
            self.charges.retain(|(_, charged)| *charged > 0);
            self.changed(quota, now);
        }
    }

    fn idle_at(&self) -> Timestamp {
        self.idle_at
    }

    fn spent(&self, now: Timestamp) -> u64 {
        if now < self.idle_at { self.worth } else { 0 }
    }
}
