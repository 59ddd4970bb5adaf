//! The table of permits.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    mem,
    time::Duration,
};

use sluicegate::{Store, Timestamp};
use sluicegate_http::Told;

use super::{Held, Stored};

/// The permits that are held, in the order in which their leases end, and the last that have ended.
pub(super) struct Table<S: Store, C> {
    /// Places of requests that are not decided yet.
    pub(super) undecided: usize,
    held: HashMap<u128, (Timestamp, Held<S, C>)>,
    ends: BTreeSet<(Timestamp, u128)>,
    pub(super) ended: HashMap<u128, Ended>,
    /// The same, in the order in which they have ended.
    order: VecDeque<(Timestamp, u128)>,
}

/// The end of a permit.
pub(super) enum Ended {
    /// Its holder has told this.
    Told(Told, Stored),
    /// Its lease has ended then.
    Lease(Timestamp),
}

impl<S: Store, C> Table<S, C> {
    /// The places that are taken.
    pub(super) fn places(&self) -> usize {
        self.undecided + self.held.len()
    }

    pub(super) fn hold(&mut self, id: u128, end: Timestamp, held: Held<S, C>) {
        self.held.insert(id, (end, held));
        self.ends.insert((end, id));
    }

    pub(super) fn remove(&mut self, id: u128) -> Option<Held<S, C>> {
        let (end, held) = self.held.remove(&id)?;
        self.ends.remove(&(end, id));
        Some(held)
    }

    /// The time at which the next lease ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Takes out the permits whose leases have ended.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Held<S, C>> {
        let mut due = Vec::new();
        while let Some((end, id)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            due.extend(self.remove(id));
            self.remember(id, Ended::Lease(end), now);
        }
        due
    }

    /// Takes out all permits.
    pub(super) fn take_all(&mut self, now: Timestamp) -> Vec<Held<S, C>> {
        self.ends.clear();
        let all = mem::take(&mut self.held);
        all.into_iter()
            .map(|(id, (_, held))| {
                self.remember(id, Ended::Lease(now), now);
                held
            })
            .collect()
    }

    /// Remembers the end of a permit, and forgets others that ended long ago.
    pub(super) fn remember(&mut self, id: u128, end: Ended, now: Timestamp) {
        while let Some((at, id)) = self.order.front()
            && (self.order.len() >= MOST_ENDED || now.since(*at) >= REMEMBERED)
        {
            self.ended.remove(id);
            self.order.pop_front();
        }
        self.ended.insert(id, end);
        self.order.push_back((now, id));
    }
}

impl<S: Store, C> Default for Table<S, C> {
    fn default() -> Self {
        Self {
            undecided: 0,
            held: HashMap::new(),
            ends: BTreeSet::new(),
            ended: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

/// The time for which the end of a permit is remembered, for a caller that repeats its call.
pub(super) const REMEMBERED: Duration = Duration::from_secs(600);

/// The most ends that are remembered.
const MOST_ENDED: usize = 100_000;
