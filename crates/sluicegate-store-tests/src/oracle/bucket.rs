//! Token buckets, in fractions of a tick.

use num_rational::BigRational;
use sluicegate::{Cost, Lease, Quota};

use super::book::{Book, Due, Moment, sum, tick_of, ticks};

/// The time when the bucket is full. The earliest assumes that every cost is exact, and the latest that every
/// cost is rounded up to the clock's step.
#[derive(Debug)]
pub(super) struct Bucket {
    tick: u64,
    earliest: BigRational,
    latest: BigRational,
}

impl Bucket {
    pub(super) fn new(tick: u64) -> Self {
        Self { tick, earliest: whole(0), latest: whole(0) }
    }

    fn exact(quota: &Quota, units: u128) -> BigRational {
        match quota.amount() {
            0 => whole(0),
            amount => whole(units) * whole(ticks(quota.window())) / whole(amount.into()),
        }
    }

    fn rounded(&self, quota: &Quota, units: u128) -> BigRational {
        let step = whole(self.tick.into());
        (Self::exact(quota, units) / &step).ceil() * step
    }
}

impl Book for Bucket {
    fn due(&self, quota: &Quota, costs: &[Cost], now: u128) -> Due {
        let burst = u128::from(quota.burst_size());
        let holds = Self::exact(quota, burst);
        // A bucket may hold as much as its burst of single units is worth, each rounded up, or a thousandth more.
        let spare = &holds * (whole(1) + BigRational::new(1.into(), 1_024.into())) + whole(self.tick.into());
        let holds_at_most = (self.rounded(quota, 1) * whole(burst)).min(spare);
        let rounded = costs.iter().fold(whole(0), |sum, cost| sum + self.rounded(quota, cost.units().into()));
        let least = level(&self.earliest, now) + Self::exact(quota, sum(costs)) - holds_at_most;
        let most = level(&self.latest, now) + rounded - holds;
        Due::In(floor(&least), ceil(&most))
    }

    fn full(&self, _quota: &Quota, now: u128) -> Due {
        let least = level(&self.earliest, now);
        let most = level(&self.latest, now);
        Due::In(floor(&least), ceil(&most))
    }

    fn charge(&mut self, quota: &Quota, cost: Cost, lease: Lease) {
        let (now, units) = (whole(tick_of(lease.taken_at)), u128::from(cost.units()));
        self.latest = (&self.latest).max(&now) + self.rounded(quota, units);
        self.earliest = (&self.earliest).max(&now) + Self::exact(quota, units);
    }

    fn settle(&mut self, quota: &Quota, [estimate, actual]: [Cost; 2], _lease: Lease, moment: Moment) {
        let [estimate, actual] = [estimate, actual].map(|cost| u128::from(cost.units()));
        let least = Self::exact(quota, actual) - self.rounded(quota, estimate);
        let most = self.rounded(quota, actual) - Self::exact(quota, estimate);
        if actual > estimate {
            // A debt begins now; what was earned since the bucket was full is not set against it.
            self.earliest = (&self.earliest).max(&whole(tick_of(moment.earliest))) + least.max(whole(0));
            self.latest = (&self.latest).max(&whole(tick_of(moment.latest))) + most;
        } else if actual < estimate {
            self.earliest += least;
            self.latest += most.min(whole(0));
        }
    }
}

fn level(full: &BigRational, now: u128) -> BigRational {
    (full - whole(now)).max(whole(0))
}

fn whole(number: u128) -> BigRational {
    BigRational::from_integer(number.into())
}

fn floor(number: &BigRational) -> u128 {
    u128::try_from(number.floor().to_integer()).unwrap_or(0)
}

fn ceil(number: &BigRational) -> u128 {
    u128::try_from(number.ceil().to_integer()).unwrap_or(0)
}
