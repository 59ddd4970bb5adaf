//! The slots of a concurrent limit.

use super::{Account, Standing};
use crate::{Cost, Quota, Timestamp};

/// The number of slots of a concurrent limit in use. Time does not free them; their holders do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Slots {
    held: u64,
}

impl Slots {
    /// So many in use.
    #[must_use]
    pub const fn held(held: u64) -> Self {
        Self { held }
    }

    /// Gives slots back.
    pub fn release(&mut self, slots: Cost) {
        self.held = self.held.saturating_sub(slots.units());
    }

    /// Returns `true` if no slot is held.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.held == 0
    }
}

impl Account for Slots {
    fn judge(&self, quota: &Quota, cost: Cost, _now: Timestamp) -> Standing {
        let free = quota.amount().saturating_sub(self.held);
        match free.checked_sub(cost.units()) {
            Some(remaining) => Standing::after(remaining, 0, 0),
            None => {
                let wait = if quota.can_hold(cost) { Standing::RELEASE } else { Standing::FOREVER };
                Standing { wait, ..Standing::after(free, 0, 0) }
            }
        }
    }

    fn charge(&mut self, _quota: &Quota, cost: Cost, _now: Timestamp) {
        self.held = self.held.saturating_add(cost.units());
    }

    fn settle(
        &mut self,
        _quota: &Quota,
        estimate: Cost,
        _actual: Cost,
        _taken_at: Timestamp,
        _now: Timestamp,
    ) {
        self.release(estimate);
    }

    /// Never while a slot is held, whatever the clock says.
    fn idle_at(&self) -> Timestamp {
        if self.is_free() { Timestamp::EPOCH } else { Timestamp::from_ticks(u64::MAX) }
    }

    fn spent(&self, _now: Timestamp) -> u64 {
        if self.is_free() { 0 } else { u64::MAX }
    }
}
