//! Concurrent limits.

use sluicegate::{Cost, Lease, Quota};

use super::book::{Book, Due, Moment, sum};

/// The holders of slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    held: Vec<(u64, u128)>,
}

impl Book for Slots {
    fn due(&self, quota: &Quota, costs: &[Cost], _now: u128) -> Due {
        let held: u128 = self.held.iter().map(|(_, slots)| slots).sum();
        if held + sum(costs) <= quota.amount().into() { Due::NOW } else { Due::OnRelease }
    }

    fn full(&self, _quota: &Quota, _now: u128) -> Due {
        Due::NOW
    }

    fn charge(&mut self, _quota: &Quota, cost: Cost, lease: Lease) {
        self.held.push((lease.id, cost.units().into()));
    }

    fn settle(&mut self, _quota: &Quota, _costs: [Cost; 2], lease: Lease, _moment: Moment) {
        self.held.retain(|(id, _)| *id != lease.id);
    }
}
