//! The memory that stands in for a store.

use std::{
    fmt, mem,
    num::NonZeroU32,
    slice::from_ref,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use super::shares::{Shares, is_local};
use crate::{
    Algorithm, Balance, Balances, Charge, Clock, Cost, Decision, Denial, Lease, MemoryStore, Quota, Taken,
    Wait,
};

/// The memory that stands in for a store, with this instance's share of every quota.
pub(super) struct StandIn<C> {
    replicas: NonZeroU32,
    max_keys: usize,
    clock: C,
    accounts: RwLock<Accounts<C>>,
}

/// What is kept until the end of an outage.
struct Accounts<C> {
    store: Arc<MemoryStore<C>>,
    /// How often all was forgotten: in the upper bits of a lease's id, so that one that outlives its accounts claims
    /// nothing of later ones.
    era: u64,
}

impl<C: Clock + Clone> StandIn<C> {
    pub(super) fn new(replicas: NonZeroU32, max_keys: usize, clock: C) -> Self {
        let accounts = RwLock::new(Accounts::new(max_keys, clock.clone(), 0));
        Self { replicas, max_keys, clock, accounts }
    }

    /// Forgets every account.
    pub(super) fn forget(&self) {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let era = (accounts.era + 1) & (u64::MAX >> ID_BITS);
        let forgotten = mem::replace(&mut *accounts, Accounts::new(self.max_keys, self.clock.clone(), era));
        drop(accounts);
        // Nobody else waits while a million accounts are freed.
        drop(forgotten);
    }
}

impl<C: Clock> StandIn<C> {
    /// Takes the local ones of the charges, all or none; the others pass as if their accounts were full.
    pub(super) fn take(&self, charges: &[Charge]) -> Decision<Taken> {
        let shares = Shares::of(charges, self.replicas);
        let all = |local: &[Balance]| {
            let mut balances: Balances = charges.iter().map(|charge| full(&charge.quota)).collect();
            for (place, balance) in shares.places.iter().zip(local) {
                balances[*place] = *balance;
            }
            balances
        };
        let accounts = self.accounts();
        match accounts.store.take_now(&shares.charges) {
            Decision::Allow(mut taken) => {
                accounts.owe(&shares, &mut taken);
                Decision::Allow(Taken { balances: all(&taken.balances), lease: accounts.lend(taken.lease) })
            }
            Decision::Deny(denial) => Decision::Deny(Denial {
                charge: shares.places[denial.charge],
                balances: all(&denial.balances),
                ..denial
            }),
        }
    }

    pub(super) fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) {
        let accounts = self.accounts();
        let Some(lease) = accounts.claim(lease) else { return };
        for (place, charge) in charges.iter().enumerate().filter(|(_, charge)| is_local(charge)) {
            let share = Charge { quota: charge.quota.shared(self.replicas), ..charge.clone() };
            accounts.store.settle_now(&[share], lease, actual.get(place..=place).unwrap_or_default());
        }
    }

    pub(super) fn reset(&self, accounts: &[Charge]) {
        self.accounts().store.reset_now(accounts);
    }

    pub(super) fn release(&self, charges: &[Charge], lease: Lease) {
        let accounts = self.accounts();
        if let Some(lease) = accounts.claim(lease) {
            crate::Store::release(&*accounts.store, charges, lease);
        }
    }

    pub(super) fn store(&self) -> Arc<MemoryStore<C>> {
        Arc::clone(&self.accounts().store)
    }

    fn accounts(&self) -> RwLockReadGuard<'_, Accounts<C>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Accounts<C> {
    fn new(max_keys: usize, clock: C, era: u64) -> Self {
        Self { store: Arc::new(MemoryStore::builder().max_keys(max_keys).clock(clock).build()), era }
    }

    /// Charges what an admitted request costs beyond the share.
    fn owe(&self, shares: &Shares, taken: &mut Taken) {
        for ((charge, cost), balance) in shares.charges.iter().zip(&shares.costs).zip(&mut taken.balances) {
            // More slots than there are cannot be held.
            if *cost > charge.cost && charge.quota.algorithm() != Algorithm::Concurrent {
                self.store.settle_now(from_ref(charge), taken.lease, &[*cost]);
                if let Decision::Allow(peek) = self.store.take_now(&[charge.clone().cost(Cost::ZERO)]) {
                    *balance = peek.balances[0];
                }
            }
        }
    }

    /// The lease as its holder knows it.
    fn lend(&self, lease: Lease) -> Lease {
        Lease { id: self.era << ID_BITS | lease.id, local: true, ..lease }
    }

    /// The lease as the store knows it, unless that has forgotten it.
    fn claim(&self, lease: Lease) -> Option<Lease> {
        let id = lease.id & ((1 << ID_BITS) - 1);
        (lease.id >> ID_BITS == self.era).then_some(Lease { id, local: false, ..lease })
    }
}

impl<C> fmt::Debug for StandIn<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

/// What is told of an account that is not charged.
fn full(quota: &Quota) -> Balance {
    Balance {
        remaining: quota.burst(),
        reset_after: Duration::ZERO,
        next_after: Duration::ZERO,
        wait: Wait::None,
    }
}

/// A million leases each second for half a year, and then a million outages.
const ID_BITS: u32 = 44;
