//! The memory that stands in for a store.

use std::{
    fmt,
    num::NonZeroU32,
    slice::from_ref,
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::shares::{Shares, is_local};
use crate::{
    Algorithm, Balance, Balances, Charge, Clock, Cost, Decision, Denial, Lease, LocalCharges, MemoryStore,
    Quota, Store, Taken, Wait,
};

/// The memory that stands in for a store, with this instance's share of every quota.
///
/// What was taken from it outlives the outage: an account is as good as forgotten when it has earned back what it spent,
/// and not before, or each new outage would let through one more burst.
pub(super) struct StandIn<C> {
    replicas: NonZeroU32,
    store: MemoryStore<C>,
    /// When the last of the accounts will be full, in ticks; [`NEVER_USED`] while there are none. Written by whoever
    /// takes, who shares the lock of `kept`.
    full_by: AtomicU64,
    /// Held alone by whoever forgets all accounts.
    kept: RwLock<()>,
}

impl<C: Clock> StandIn<C> {
    pub(super) fn new(replicas: NonZeroU32, store: MemoryStore<C>) -> Self {
        Self { replicas, store, full_by: AtomicU64::new(NEVER_USED), kept: RwLock::new(()) }
    }

    pub(super) const fn store(&self) -> &MemoryStore<C> {
        &self.store
    }

    /// Frees the memory when no account is left that matters.
    #[inline]
    pub(super) fn tidy(&self) {
        if self.full_by.load(Ordering::Relaxed) != NEVER_USED {
            self.tidy_when_full();
        }
    }

    fn tidy_when_full(&self) {
        let now = self.store.clock().now();
        let is_due = || self.full_by.load(Ordering::Relaxed) <= now.ticks();
        if !is_due() {
            return;
        }
        let _alone = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have taken from it, or freed it, since.
        if is_due() {
            let next = match self.store.holds_slots() {
                // Nobody knows when they are given back.
                true => (now + PATIENCE).ticks(),
                false => {
                    self.store.clear();
                    NEVER_USED
                }
            };
            self.full_by.store(next, Ordering::Relaxed);
        }
    }

    /// Takes those local ones of the charges that are `out_of_reach`, all or none; the others pass as if their accounts
    /// were full. The claim is only on what was taken here.
    pub(super) fn take(&self, charges: &[Charge], out_of_reach: impl Fn(usize) -> bool) -> Decision<Taken> {
        let _kept = self.keep();
        let shares = Shares::of(charges, out_of_reach, self.replicas);
        match self.store.take_now(&shares.charges) {
            Decision::Allow(mut taken) => {
                self.owe(&shares, &mut taken);
                self.note(&taken.balances);
                let Lease { id, taken_at, .. } = taken.lease;
                let lease = Lease { local: LocalCharges::all(id, taken_at), ..taken.lease };
                Decision::Allow(Taken { balances: shares.among(charges, &taken.balances), lease })
            }
            Decision::Deny(denial) => Decision::Deny(Denial {
                charge: shares.places[denial.charge],
                balances: shares.among(charges, &denial.balances),
                ..denial
            }),
        }
    }

    /// How the accounts of those charges stand that are `out_of_reach`; the others are told as full.
    pub(super) fn look(&self, charges: &[Charge], out_of_reach: impl Fn(usize) -> bool) -> Balances {
        let peeks: Vec<Charge> = charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect();
        match self.take(&peeks, out_of_reach) {
            Decision::Allow(Taken { balances, .. }) | Decision::Deny(Denial { balances, .. }) => balances,
        }
    }

    /// Settles what the lease took here.
    pub(super) fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) {
        let _kept = self.keep();
        let here = claim(&lease);
        for (place, share) in self.taken_here(charges, &lease) {
            self.store.settle_now(from_ref(&share), here, actual.get(place..=place).unwrap_or_default());
            self.note(&self.standing(share));
        }
    }

    pub(super) fn reset(&self, accounts: &[Charge]) {
        self.store.reset_now(accounts);
    }

    /// Gives back the slots that the lease took here.
    pub(super) fn release(&self, charges: &[Charge], lease: Lease) {
        for (_, share) in self.taken_here(charges, &lease) {
            self.store.release(from_ref(&share), claim(&lease));
        }
    }

    /// The charges that the lease took here, each on this instance's share, with their places in the request.
    fn taken_here<'c>(
        &'c self,
        charges: &'c [Charge],
        lease: &'c Lease,
    ) -> impl Iterator<Item = (usize, Charge)> + 'c {
        let here = charges
            .iter()
            .enumerate()
            .filter(|(place, charge)| is_local(charge) && lease.local.contains(*place));
        here.map(|(place, charge)| {
            (place, Charge { quota: charge.quota.shared(self.replicas), ..charge.clone() })
        })
    }

    /// Charges what an admitted request costs beyond the share.
    fn owe(&self, shares: &Shares, taken: &mut Taken) {
        for ((charge, cost), balance) in shares.charges.iter().zip(&shares.costs).zip(&mut taken.balances) {
            // More slots than there are cannot be held.
            if *cost > charge.cost && charge.quota.algorithm() != Algorithm::Concurrent {
                self.store.settle_now(from_ref(charge), taken.lease, &[*cost]);
                if let Some(owed) = self.standing(charge.clone()).first() {
                    *balance = *owed;
                }
            }
        }
    }

    /// How one account stands.
    fn standing(&self, charge: Charge) -> Balances {
        match self.store.take_now(&[charge.cost(Cost::ZERO)]) {
            Decision::Allow(Taken { balances, .. }) | Decision::Deny(Denial { balances, .. }) => balances,
        }
    }

    /// Keeps the memory until these accounts are full.
    fn note(&self, balances: &[Balance]) {
        let full_after = balances.iter().map(|balance| balance.reset_after).max();
        if let Some(full_after) = full_after {
            let full_by = (self.store.clock().now() + full_after).ticks();
            self.full_by.fetch_max(full_by, Ordering::Relaxed);
        }
    }

    fn keep(&self) -> RwLockReadGuard<'_, ()> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> fmt::Debug for StandIn<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

/// The lease as the memory gave it.
const fn claim(lease: &Lease) -> Lease {
    Lease::new(lease.local.id, lease.local.taken_at)
}

/// The balance of an account that is not charged.
pub(super) fn full(quota: &Quota) -> Balance {
    Balance {
        remaining: quota.burst(),
        reset_after: Duration::ZERO,
        next_after: Duration::ZERO,
        wait: Wait::None,
    }
}

/// In place of a time.
const NEVER_USED: u64 = 0;
/// Until held slots are looked at again.
const PATIENCE: Duration = Duration::from_secs(1);
