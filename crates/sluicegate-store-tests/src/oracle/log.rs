//! Sliding windows of every charge.

use sluicegate::{Cost, Lease, Quota};

use super::book::{Book, Due, Moment, sum, tick_of, ticks};

/// Every charge that ever was, and when.
#[derive(Debug, Default)]
pub(super) struct Log {
    charges: Vec<(u128, u128)>,
}

impl Log {
    fn spent(&self, quota: &Quota, now: u128) -> u128 {
        let live = |at: u128| at + ticks(quota.window()) > now;
        self.charges.iter().filter(|(at, _)| live(*at)).map(|(_, units)| units).sum()
    }

    /// The moments, from now on, at which a charge ends.
    fn ends(&self, quota: &Quota, now: u128) -> Vec<u128> {
        let ends =
            self.charges.iter().filter(|(_, units)| *units > 0).map(|(at, _)| at + ticks(quota.window()));
        let mut ends: Vec<_> = ends.filter(|end| *end > now).collect();
        ends.sort_unstable();
        ends
    }
}

impl Book for Log {
    fn due(&self, quota: &Quota, costs: &[Cost], now: u128) -> Due {
        let fits = |time: &u128| self.spent(quota, *time) + sum(costs) <= quota.amount().into();
        let moments = std::iter::once(now).chain(self.ends(quota, now));
        moments.into_iter().find(fits).map_or(Due::Never, |time| Due::after(time - now))
    }

    fn full(&self, quota: &Quota, now: u128) -> Due {
        self.ends(quota, now).last().map_or(Due::NOW, |end| Due::after(end - now))
    }

    fn charge(&mut self, _quota: &Quota, cost: Cost, lease: Lease) {
        self.charges.push((tick_of(lease.taken_at), cost.units().into()));
    }

    fn settle(&mut self, quota: &Quota, [estimate, actual]: [Cost; 2], lease: Lease, moment: Moment) {
        if actual > estimate {
            let debt = Cost::new(actual.units() - estimate.units());
            return self.charge(quota, debt, Lease { taken_at: moment.latest, ..lease });
        }
        let mut refund = u128::from(estimate.units() - actual.units());
        for (_, units) in self.charges.iter_mut().filter(|(at, _)| *at == tick_of(lease.taken_at)) {
            let back = refund.min(*units);
            *units -= back;
            refund -= back;
        }
    }
}
