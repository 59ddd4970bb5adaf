//! A store in this process's memory.

mod accounts;
mod builder;
mod evicted;
mod holders;
mod locked;
mod shard;
mod table;

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use smallvec::SmallVec;

pub use builder::MemoryStoreBuilder;
use evicted::Evicted;
use locked::Locked;
use shard::Shard;

use crate::{
    Algorithm, Balance, Charge, Clock, Cost, Decision, Denial, Lease, Store, StoreError, SystemClock, Taken,
    Wait,
    accounts::Verdict,
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
/// Keys are spread over shards, each behind a lock. A request's charges are judged and taken while all of its
/// shards are locked, in order, so a request is charged everywhere or nowhere, and is never seen half charged.
///
/// # Memory
///
/// Keys themselves are not kept, only 128 bits of a hash that is keyed by a random secret. Each algorithm has a
/// table of its own, with room for [`max_keys`](MemoryStoreBuilder::max_keys) and a quarter more. It takes memory
/// as keys arrive, and never more than this for each of `max_keys`:
///
/// | algorithm | bytes |
/// |---|---|
/// | token bucket | 20 |
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
    #[inline]
    pub fn take_now(&self, charges: &[Charge]) -> Decision<Taken> {
        if let [charge] = charges {
            // Read beside hashing, which takes as long, and not while others wait for the lock.
            let now = self.clock.now();
            let fingerprint = self.secret.fingerprint(&charge.key);
            let mut shard = self.lock(fingerprint.shard(self.shards.len()));
            let now = shard.latest(now);
            if let Some(standing) = shard.take(fingerprint, charge, now) {
                drop(shard);
                let balance = Balance::from(standing);
                let balances = balance.into();
                return match balance.wait {
                    Wait::None => Decision::Allow(Taken { balances, lease: Lease::new(0, now) }),
                    wait => Decision::Deny(Denial { charge: 0, wait, balances }),
                };
            }
        }
        self.take_together(charges)
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
            let fingerprint = self.secret.fingerprint(&charge.key);
            let mut shard = self.lock(fingerprint.shard(self.shards.len()));
            let now = shard.latest(self.clock.now());
            let accounts = shard.accounts_mut(charge.quota.algorithm());
            accounts.settle(fingerprint, &charge.quota, charge.cost, actual, lease, now);
        }
    }

    /// Forgets what was spent on each of these accounts: [`Store::reset`] without a future.
    pub fn reset_now(&self, accounts: &[Charge]) {
        for account in accounts {
            let fingerprint = self.secret.fingerprint(&account.key);
            let mut shard = self.lock(fingerprint.shard(self.shards.len()));
            shard.accounts_mut(account.quota.algorithm()).reset(fingerprint);
        }
    }

    /// Forgets every account, as if each were [reset](Store::reset), and frees the memory that they took. Charges that
    /// are taken meanwhile may be forgotten or not.
    pub fn clear(&self) {
        for shard in 0..self.shards.len() {
            let forgotten = self.lock(shard).clear();
            drop(forgotten);
        }
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
        (0..self.shards.len()).map(|shard| self.lock(shard).len()).sum()
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
        (0..self.shards.len()).fold(Evicted::default(), |sum, shard| sum + self.lock(shard).evicted())
    }

    /// Several charges, or one that needs a lease.
    fn take_together(&self, charges: &[Charge]) -> Decision<Taken> {
        let fingerprints: SmallVec<[Fingerprint; 4]> =
            charges.iter().map(|charge| self.secret.fingerprint(&charge.key)).collect();
        let mut order: SmallVec<[usize; 4]> =
            fingerprints.iter().map(|fingerprint| fingerprint.shard(self.shards.len())).collect();
        // All threads lock in the same order, so no two of them wait for each other.
        order.sort_unstable();
        order.dedup();
        let mut shards: SmallVec<[MutexGuard<'_, Shard>; 4]> =
            order.iter().map(|shard| self.lock(*shard)).collect();
        let places: SmallVec<[usize; 4]> = fingerprints
            .iter()
            .map(|fingerprint| order.partition_point(|shard| *shard < fingerprint.shard(self.shards.len())))
            .collect();
        let now = shards.iter_mut().fold(self.clock.now(), |now, shard| shard.latest(now));
        for shard in &mut shards {
            shard.latest(now);
        }

        let books = Locked { charges, fingerprints: &fingerprints, places: &places, shards: &shards, now };
        let verdict = Verdict::of(charges, &books);
        let lease = Lease::new(self.lease_id(charges), now);
        if verdict.admits() {
            for ((charge, fingerprint), place) in charges.iter().zip(&fingerprints).zip(&places) {
                let accounts = shards[*place].accounts_mut(charge.quota.algorithm());
                accounts.charge(*fingerprint, &charge.quota, charge.cost, lease, now);
            }
        }
        drop(shards);
        verdict.decision(lease)
    }

    /// A number that no other lease has, where one is needed: counting is a memory access that all threads share.
    fn lease_id(&self, charges: &[Charge]) -> u64 {
        if charges.iter().any(|charge| charge.quota.algorithm() == Algorithm::Concurrent) {
            self.leases.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        }
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
            self.lock(fingerprint.shard(self.shards.len())).holders.release(fingerprint, lease);
        }
    }
}

impl<C> fmt::Debug for MemoryStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("max_keys", &self.max_keys).finish_non_exhaustive()
    }
}
