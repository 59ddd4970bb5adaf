//! A chunk that this instance holds.

use crate::{Algorithm, Charge, Chunk, Cost, Remainder, Timestamp};

/// A chunk that this instance holds, and the store's clock as it was told with it.
#[derive(Debug)]
pub(super) struct Held<L> {
    pub(super) lease: L,
    /// The charge that it was lent for.
    pub(super) charge: Charge,
    pub(super) left: u64,
    /// Requests that it has paid and that may not be admitted yet. It stays until they are or are not.
    pub(super) pending: u32,
    /// Set if it is given back as soon as no request is pending.
    pub(super) leaving: bool,
    /// Its end on the local clock. Counted from before the call, it is never later than the end in the store.
    pub(super) ends: Timestamp,
    lent_at: Timestamp,
    sent: Timestamp,
    floor: Timestamp,
}

impl<L> Held<L> {
    pub(super) fn of(chunk: Chunk<L>, charge: Charge, sent: Timestamp) -> Self {
        let Chunk { lease, lent_at, ends, .. } = chunk;
        let life = ends.ticks().saturating_sub(lent_at.ticks());
        let ends = Timestamp::from_ticks(sent.ticks().saturating_add(life));
        let (left, floor) = (charge.cost.units(), Timestamp::EPOCH);
        Self { lease, charge, left, pending: 0, leaving: false, ends, lent_at, sent, floor }
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        now < self.ends && !self.leaving
    }

    /// Returns `true` if it may go: there is nothing to spend, and no request is pending.
    pub(super) fn is_done(&self, now: Timestamp) -> bool {
        self.pending == 0 && (self.left == 0 || !self.is_valid(now))
    }

    /// The time on the store's clock. It is ahead by as long as the call took to arrive, which is against admission.
    pub(super) fn store_time(&self, now: Timestamp) -> Timestamp {
        let passed = now.ticks().saturating_sub(self.sent.ticks());
        Timestamp::from_ticks(self.lent_at.ticks().saturating_add(passed))
    }

    /// Takes up to so many units, and returns those that it had.
    pub(super) fn spend(&mut self, units: u64, now: Timestamp) -> u64 {
        let spent = units.min(self.left);
        self.floor = self.floor_at(now);
        self.left -= spent;
        spent
    }

    /// A charge that was paid before `now` became cheaper by so many ticks.
    pub(super) fn refunded(&mut self, ticks: u64) {
        self.floor = Timestamp::from_ticks(self.floor.ticks().saturating_sub(ticks));
    }

    pub(super) fn remainder(&self, now: Timestamp) -> Remainder {
        Remainder { left: Cost::new(self.left), floor: self.floor_at(now) }
    }

    fn floor_at(&self, now: Timestamp) -> Timestamp {
        let quota = &self.charge.quota;
        if quota.algorithm() != Algorithm::TokenBucket {
            return Timestamp::EPOCH;
        }
        let floor = self.store_time(now).ticks().saturating_add(quota.worth(self.left));
        self.floor.max(Timestamp::from_ticks(floor))
    }
}
