//! Holders of slots of concurrent limits.

use std::collections::HashMap;

use super::accounts::Accounts;
use crate::{
    Charge, Cost, Lease, Quota, Timestamp,
    accounts::{Account, Slots, Standing},
    fingerprint::{ByFingerprint, Fingerprint},
};

/// The concurrent limits of one shard, and the leases on them.
///
/// Only slots that are held are kept, and they are never evicted: there are no more of them than requests
/// in flight.
#[derive(Debug, Default)]
pub(super) struct Holders {
    slots: HashMap<Fingerprint, Slots, ByFingerprint>,
    /// The slots of each lease, so that releasing it a second time frees nothing.
    leases: HashMap<(Fingerprint, u64), Cost, ByFingerprint>,
}

impl Holders {
    /// Keys of which a slot is held.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn of(&self, fingerprint: Fingerprint) -> Slots {
        self.slots.get(&fingerprint).copied().unwrap_or_default()
    }

    /// Gives back what a lease holds of this key.
    pub(super) fn release(&mut self, fingerprint: Fingerprint, lease: Lease) {
        let Some(cost) = self.leases.remove(&(fingerprint, lease.id)) else {
            return;
        };
        if let Some(slots) = self.slots.get_mut(&fingerprint) {
            slots.release(cost);
            if slots.is_free() {
                self.slots.remove(&fingerprint);
            }
        }
    }
}

impl Accounts for Holders {
    fn judge(&self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        self.of(fingerprint).judge(quota, cost, now)
    }

    fn judge_after(
        &self,
        earlier: &mut dyn Iterator<Item = &Charge>,
        fingerprint: Fingerprint,
        quota: &Quota,
        cost: Cost,
        now: Timestamp,
    ) -> Standing {
        let mut slots = self.of(fingerprint);
        for charge in earlier {
            slots.charge(&charge.quota, charge.cost, now);
        }
        slots.judge(quota, cost, now)
    }

    fn charge(&mut self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, lease: Lease, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        self.slots.entry(fingerprint).or_default().charge(quota, cost, now);
        let held = self.leases.entry((fingerprint, lease.id)).or_default();
        *held = Cost::new(held.units().saturating_add(cost.units()));
    }

    fn settle(&mut self, fingerprint: Fingerprint, _: &Quota, _: Cost, _: Cost, lease: Lease, _: Timestamp) {
        self.release(fingerprint, lease);
    }

    fn reset(&mut self, fingerprint: Fingerprint) {
        if self.slots.remove(&fingerprint).is_some() {
            // With their claims, so that none of them gives back what another request has taken since.
            self.leases.retain(|(held, _), _| *held != fingerprint);
        }
    }
}
