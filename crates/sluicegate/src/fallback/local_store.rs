//! The local store that replaces a store in an outage.

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

use super::{
    shares::Shares,
    takers::{Taker, Takers},
};
use crate::{
    Algorithm, Balance, Balances, Charge, Clock, Cost, Decision, Denial, Lease, MemoryStore, Quota, Store,
    Taken, Timestamp, Wait,
};

/// The local store that replaces a store in an outage, with this instance's share of every quota.
///
/// Its accounts outlive the outage. An account matters until it has earned back what it spent. Forgetting it earlier
/// would admit one more burst in each new outage.
pub(super) struct LocalStore<C> {
    replicas: NonZeroU32,
    /// Locked exclusively to free the memory.
    store: RwLock<MemoryStore<C>>,
    /// The time at which the last of the accounts will be full, in ticks. [`NEVER_USED`] while there are none. Written
    /// under a shared lock of the store.
    full_by: AtomicU64,
}

impl<C: Clock> LocalStore<C> {
    pub(super) fn new(replicas: NonZeroU32, store: MemoryStore<C>) -> Self {
        Self { replicas, store: RwLock::new(store), full_by: AtomicU64::new(NEVER_USED) }
    }

    /// The store. Its memory is not freed meanwhile.
    pub(super) fn store(&self) -> RwLockReadGuard<'_, MemoryStore<C>> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the memory if no account matters any more.
    #[inline]
    pub(super) fn tidy(&self) {
        if self.full_by.load(Ordering::Relaxed) != NEVER_USED {
            self.tidy_when_full();
        }
    }

    fn tidy_when_full(&self) {
        let is_due = |now: Timestamp| self.full_by.load(Ordering::Relaxed) <= now.ticks();
        let now = self.store().clock().now();
        if !is_due(now) {
            return;
        }
        // Whoever uses the store now, maybe this very thread, tidies it next time.
        let Ok(mut store) = self.store.try_write() else { return };
        // Another thread may have taken from it, or freed it, since.
        if is_due(now) {
            let next = if store.holds_slots() {
                // Slots may be given back at any time.
                (now + RECHECK).ticks()
            } else {
                store.free();
                NEVER_USED
            };
            self.full_by.store(next, Ordering::Relaxed);
        }
    }

    /// Takes memory's part of the charges, all or none; the others pass as if their accounts were full. The claim is only
    /// on what was taken here.
    pub(super) fn take(&self, charges: &[Charge], takers: &Takers) -> Decision<Taken> {
        let store = self.store();
        let shares = Shares::of(charges, takers.places(Taker::Memory), self.replicas);
        match store.take_now(&shares.charges) {
            Decision::Allow(mut taken) => {
                owe(&store, &shares, &mut taken);
                self.note(&store, &taken.balances);
                Decision::Allow(Taken { balances: shares.among(charges, &taken.balances), ..taken })
            }
            Decision::Deny(denial) => Decision::Deny(Denial {
                charge: shares.places[denial.charge],
                balances: shares.among(charges, &denial.balances),
                ..denial
            }),
        }
    }

    /// Returns the balances of memory's part of the charges, and full accounts for the others.
    pub(super) fn look(&self, charges: &[Charge], takers: &Takers) -> Balances {
        let peeks: Vec<Charge> = charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect();
        match self.take(&peeks, takers) {
            Decision::Allow(Taken { balances, .. }) | Decision::Deny(Denial { balances, .. }) => balances,
        }
    }

    /// Settles what the lease took here.
    pub(super) fn settle(&self, charges: &[Charge], takers: &Takers, lease: Lease, actual: &[Cost]) {
        let store = self.store();
        for (place, share) in self.taken_here(charges, takers) {
            store.settle_now(from_ref(&share), lease, actual.get(place..=place).unwrap_or_default());
            self.note(&store, &balance(&store, share));
        }
    }

    pub(super) fn reset(&self, accounts: &[Charge]) {
        self.store().reset_now(accounts);
    }

    /// Gives back the slots that the lease took here.
    pub(super) fn release(&self, charges: &[Charge], takers: &Takers, lease: Lease) {
        let store = self.store();
        for (_, share) in self.taken_here(charges, takers) {
            store.release(from_ref(&share), lease);
        }
    }

    /// Returns memory's part of the charges, each on this instance's share, with their places in the request.
    fn taken_here<'c>(
        &'c self,
        charges: &'c [Charge],
        takers: &'c Takers,
    ) -> impl Iterator<Item = (usize, Charge)> + 'c {
        takers.places(Taker::Memory).filter_map(|place| {
            let charge = charges.get(place)?;
            Some((place, Charge { quota: charge.quota.shared(self.replicas), ..charge.clone() }))
        })
    }

    /// Keeps the memory until these accounts are full.
    fn note(&self, store: &MemoryStore<C>, balances: &[Balance]) {
        let full_after = balances.iter().map(|balance| balance.reset_after).max();
        if let Some(full_after) = full_after {
            let full_by = (store.clock().now() + full_after).ticks();
            self.full_by.fetch_max(full_by, Ordering::Relaxed);
        }
    }
}

impl<C> fmt::Debug for LocalStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

/// Charges what an admitted request costs beyond the share.
fn owe<C: Clock>(store: &MemoryStore<C>, shares: &Shares, taken: &mut Taken) {
    for ((charge, cost), owing) in shares.charges.iter().zip(&shares.costs).zip(taken.balances.iter_mut()) {
        // More slots than there are cannot be held.
        if *cost > charge.cost && charge.quota.algorithm() != Algorithm::Concurrent {
            store.settle_now(from_ref(charge), taken.lease, &[*cost]);
            if let Some(owed) = balance(store, charge.clone()).first() {
                *owing = *owed;
            }
        }
    }
}

/// Returns the balance of one account.
fn balance<C: Clock>(store: &MemoryStore<C>, charge: Charge) -> Balances {
    match store.take_now(&[charge.cost(Cost::ZERO)]) {
        Decision::Allow(Taken { balances, .. }) | Decision::Deny(Denial { balances, .. }) => balances,
    }
}

/// Returns the balance of an account that is not charged.
pub(super) fn full(quota: &Quota) -> Balance {
    Balance {
        remaining: quota.burst_size(),
        reset_after: Duration::ZERO,
        next_after: Duration::ZERO,
        wait: Wait::None,
    }
}

/// In place of a time.
const NEVER_USED: u64 = 0;
/// The time until held slots are checked again.
const RECHECK: Duration = Duration::from_secs(1);
