//! A store in this process's memory.

mod accounts;
mod builder;
mod evicted;
mod glance;
mod holders;
mod locked;
mod several;
mod shard;
mod table;
mod take;
mod token_buckets;

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

pub use builder::MemoryStoreBuilder;
use evicted::Evicted;
use shard::Shard;
use token_buckets::TokenBuckets;

use crate::{
    Algorithm, Charge, Clock, Cost, Decision, Lease, Store, StoreError, SystemClock, Taken,
    accounts::Account,
    fingerprint::{Fingerprint, Secret},
    timestamp::duration,
};

/// A store in this process's memory: exact, bounded, and without a task or a thread of its own.
///
/// ```
/// use sluicegate::{Charge, ManualClock, MemoryStore, Quota};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let store = MemoryStore::builder().max_keys(10_000).clock(clock.clone()).build();
///
/// let quota: Quota = "2/minute".parse()?;
/// let charges = [Charge::new("alice", quota)];
/// assert!(store.take_now(&charges).is_allowed());
/// assert!(store.take_now(&charges).is_allowed());
/// let denial = store.take_now(&charges);
/// let wait = denial.denial().and_then(|denial| denial.retry_after());
/// assert_eq!(wait, Some(Duration::from_secs(30)));
///
/// clock.advance(Duration::from_secs(30));
/// assert!(store.take_now(&charges).is_allowed());
/// # Ok::<(), sluicegate::QuotaError>(())
/// ```
///
/// # Atomicity
///
/// A request is charged everywhere or nowhere, and is never seen half charged. Token buckets are in a table without a
/// lock: a denial only reads it, and a charge is one compare-and-swap. Up to eight are charged together while their
/// slots are held. All else is spread over shards, each behind a lock, which are locked in order: new token buckets,
/// accounts of other kinds, and requests with two charges on one account.
///
/// # Memory
///
/// Keys themselves are not kept, only 128 bits of a hash that is keyed by a random secret. Each algorithm has a
/// table of its own, with room for [`max_keys`](MemoryStoreBuilder::max_keys) and a quarter more. It takes memory
/// as keys arrive, and never more than this for each of `max_keys`:
///
/// | algorithm | bytes |
/// |---|---|
/// | token bucket | 23 |
/// | fixed window | 60 |
/// | sliding window | 60 |
/// | sliding log | 80, and 16 for each charge in its window |
/// | concurrent | about 100, only while a slot is held |
///
/// An account that has earned back its spending is as good as none, and its slot can be reused. Without such
/// a slot, the account that has spent least is evicted and [counted](Self::evictions), never the one that was
/// used least recently. So a caller that floods the store with new keys evicts those keys, not the account
/// that it has used up. The slots of concurrent limits are never forgotten while they are held.
pub struct MemoryStore<C = SystemClock> {
    token_buckets: TokenBuckets<AtomicU64>,
    shards: Box<[Padded]>,
    secret: Secret,
    leases: AtomicU64,
    max_keys: usize,
    clock: C,
}

/// Aligned so that two shards' locks never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl MemoryStore {
    /// A store of a million keys that follows the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store to be set up.
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::new()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clock> MemoryStore<C> {
    /// Takes every charge, or takes none and names the one that was denied: [`Store::take`] without a future.
    #[inline(always)]
    pub fn take_now(&self, charges: &[Charge]) -> Decision<Taken> {
        match charges {
            [charge] if charge.quota.algorithm() == Algorithm::TokenBucket => {
                let (account, now) = self.take_one(charge);
                take::decision(account.judge(&charge.quota, charge.cost, now), now)
            }
            _ => self.take_any(charges),
        }
    }

    /// Replaces the estimates in `charges` by their `actual` costs: [`Store::settle`] without a future.
    pub fn settle_now(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) {
        for (index, charge) in charges.iter().enumerate() {
            let actual = match charge.quota.algorithm() {
                // Slots are given back whatever they cost.
                Algorithm::Concurrent => Cost::ZERO,
                _ => match actual.get(index) {
                    Some(actual) if *actual != charge.cost => *actual,
                    _ => continue,
                },
            };
            self.settle_one(charge, actual, lease);
        }
    }

    /// Forgets what was spent on each of these accounts: [`Store::reset`] without a future.
    pub fn reset_now(&self, accounts: &[Charge]) {
        for account in accounts {
            let fingerprint = self.secret.fingerprint(&account.key);
            match self.shard(fingerprint).accounts_mut(account.quota.algorithm()) {
                Some(accounts) => accounts.reset(fingerprint),
                None => self.token_buckets.reset(fingerprint),
            }
        }
    }

    /// Forgets every account, as if each were [reset](Store::reset). Charges that are taken meanwhile may be forgotten or
    /// not. The memory of token buckets is kept for those to come, and that of other accounts is freed.
    pub fn clear(&self) {
        self.token_buckets.clear();
        for shard in 0..self.shards.len() {
            let forgotten = self.lock(shard).clear();
            drop(forgotten);
        }
    }

    /// Forgets every account, and frees all memory.
    pub(crate) fn free(&mut self) {
        self.clear();
        self.token_buckets.free();
    }

    /// The store's clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Returns `true` if a slot of a concurrent limit is held.
    pub(crate) fn holds_slots(&self) -> bool {
        (0..self.shards.len()).any(|shard| self.lock(shard).holders.len() > 0)
    }

    /// The number of keys that the store was made for, of each algorithm.
    pub fn max_keys(&self) -> usize {
        self.max_keys
    }

    /// The number of accounts. One that has earned back its spending counts until its slot is used again.
    #[expect(clippy::len_without_is_empty, reason = "a number to watch; whether it is zero says nothing")]
    pub fn len(&self) -> usize {
        let in_shards: usize = (0..self.shards.len()).map(|shard| self.lock(shard).len()).sum();
        self.token_buckets.len() + in_shards
    }

    /// The number of accounts evicted, for lack of room, before they had earned back their spending.
    pub fn evictions(&self) -> u64 {
        self.evicted().accounts
    }

    /// The spending of those accounts, as the time needed to earn it back. The store admitted no more beyond
    /// the quotas than their callers earn in this time.
    pub fn forgiven(&self) -> Duration {
        duration(self.evicted().ticks)
    }

    fn evicted(&self) -> Evicted {
        (0..self.shards.len())
            .fold(self.token_buckets.evicted(), |sum, shard| sum + self.lock(shard).evicted())
    }

    fn settle_one(&self, charge: &Charge, actual: Cost, lease: Lease) {
        let Charge { key, quota, cost } = charge;
        let now = self.clock.now();
        let fingerprint = self.secret.fingerprint(key);
        if quota.algorithm() != Algorithm::TokenBucket {
            let mut shard = self.shard(fingerprint);
            let now = shard.latest(now);
            if let Some(accounts) = shard.accounts_mut(quota.algorithm()) {
                accounts.settle(fingerprint, quota, *cost, actual, lease, now);
            }
        } else if !self.token_buckets.settle(fingerprint, quota, *cost, actual, lease.taken_at, now)
            // If the account was forgotten, so was the estimate: there is nothing to give back.
            && actual > *cost
        {
            let _alone = self.shard(fingerprint);
            self.token_buckets.settle_new(fingerprint, quota, *cost, actual, lease.taken_at, now);
        }
    }

    /// Locks the shard of a key.
    #[inline]
    fn shard(&self, fingerprint: Fingerprint) -> MutexGuard<'_, Shard> {
        self.lock(fingerprint.shard(self.shards.len()))
    }

    #[inline]
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        // A thread that panicked here left accounts that are each whole: it can only have come from a clock, which
        // is read before anything is written. Refusing to serve would be worse than one charge too few.
        self.shards[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Store for MemoryStore<C> {
    type Lease = Lease;

    #[inline]
    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Ok(self.take_now(charges))
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.settle_now(charges, lease, actual);
        Ok(())
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.reset_now(accounts);
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        for charge in charges.iter().filter(|charge| charge.quota.algorithm() == Algorithm::Concurrent) {
            let fingerprint = self.secret.fingerprint(&charge.key);
            self.shard(fingerprint).holders.release(fingerprint, lease);
        }
    }
}

impl<C> fmt::Debug for MemoryStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("max_keys", &self.max_keys).finish_non_exhaustive()
    }
}
