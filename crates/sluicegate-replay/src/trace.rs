//! The charges on one limit, kept to try other quotas on them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use sluicegate::{Charge, Cost, Decision, Key, Lease, ManualClock, MemoryStore, Quota};
use sluicegate_policy::{Limit, TierId};

use crate::{Moment, virtual_time::move_to};

/// The charges on one limit, in the order of time, and how they ended: 32 bytes for each.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    takes: Vec<Take>,
    ends: Vec<End>,
    hasher: RandomState,
    /// Set once there were more charges than a trace keeps.
    pub(crate) is_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Take {
    time: Moment,
    /// A hash of the account's key.
    account: u64,
    cost: Cost,
    tier: TierId,
}

#[derive(Clone, Copy, Debug)]
struct End {
    time: Moment,
    take: usize,
    actual: Cost,
}

impl Trace {
    /// Keeps a charge, and returns its place.
    pub(crate) fn take(&mut self, time: Moment, charge: &Charge, tier: TierId) -> Option<usize> {
        if self.takes.len() >= MOST {
            self.is_full = true;
            return None;
        }
        let account = self.hasher.hash_one(charge.key.as_bytes());
        self.takes.push(Take { time, account, cost: charge.cost, tier });
        Some(self.takes.len() - 1)
    }

    /// Keeps the end of a charge: what it cost in the end.
    pub(crate) fn end(&mut self, time: Moment, take: usize, actual: Option<Cost>) {
        let Some(cost) = self.takes.get(take).map(|take| take.cost) else { return };
        self.ends.push(End { time, take, actual: actual.unwrap_or(cost) });
    }

    /// Puts the ends in the order of time.
    pub(crate) fn sort(&mut self) {
        self.ends.sort_by_key(|end| end.time);
    }

    /// The number of charges.
    pub(crate) fn len(&self) -> usize {
        self.takes.len()
    }

    /// Returns how many charges a limit denies if its quotas are so many millionths of what they are. The search ends
    /// when there are more than `most`.
    pub(crate) fn denied(&self, limit: &Limit, millionths: u64, most: u64) -> u64 {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let mut held: HashMap<usize, (Charge, Lease)> = HashMap::new();
        let mut ends = self.ends.iter().peekable();
        let mut now = None;
        let mut denied = 0;
        for (place, take) in self.takes.iter().enumerate() {
            while let Some(end) = ends.next_if(|end| end.time <= take.time) {
                if let Some((charge, lease)) = held.remove(&end.take) {
                    move_to(&clock, &mut now, end.time);
                    store.settle_now(&[charge], lease, &[end.actual]);
                }
            }
            move_to(&clock, &mut now, take.time);
            let quota: Quota = limit.quota(take.tier).scaled(millionths);
            let charge = Charge::new(Key::from(format!("{:016x}", take.account)), quota).cost(take.cost);
            match store.take_now(std::slice::from_ref(&charge)) {
                Decision::Allow(taken) if !self.ends.is_empty() => {
                    held.insert(place, (charge, taken.lease));
                }
                Decision::Allow(_) => {}
                Decision::Deny(_) => denied += 1,
            }
            if denied > most {
                break;
            }
        }
        denied
    }
}

/// Some 600 MB at most.
const MOST: usize = 10_000_000;
