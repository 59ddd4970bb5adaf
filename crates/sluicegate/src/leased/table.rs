//! The holdings of all accounts.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{counters::LeasedStatistics, holding::Holding};
use crate::{
    Charge, Timestamp,
    fingerprint::{ByFingerprint, Secret},
};

/// The holdings of all accounts, in shards, each behind a lock of its own.
pub(super) struct Table<L> {
    secret: Secret,
    shards: Box<[Mutex<Shard<L>>]>,
    len: AtomicUsize,
}

type Shard<L> = HashMap<Account, Holding<L>, ByFingerprint>;

/// An account: a number for its place, and one that tells it from its neighbours.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Account(pub(super) u64, u64);

impl<L> Table<L> {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { secret: Secret::random(), shards, len: AtomicUsize::new(0) }
    }

    #[inline]
    pub(super) fn account(&self, charge: &Charge) -> Account {
        let fingerprint = self.secret.fingerprint(&charge.key);
        Account(fingerprint.account(charge.quota.algorithm()), fingerprint.tag())
    }

    /// Does something with an account's holding, if it has one.
    #[inline]
    pub(super) fn with<T>(&self, account: Account, act: impl FnOnce(&mut Holding<L>) -> T) -> Option<T> {
        self.shard(account).get_mut(&account).map(act)
    }

    /// The same with a new holding, if it has none yet and there is room.
    pub(super) fn with_new(
        &self,
        account: Account,
        most: usize,
        new: impl FnOnce() -> Holding<L>,
        act: impl FnOnce(&mut Holding<L>),
    ) {
        let mut shard = self.shard(account);
        if !shard.contains_key(&account) {
            if self.len.load(Relaxed) >= most {
                return;
            }
            self.len.fetch_add(1, Relaxed);
        }
        act(shard.entry(account).or_insert_with(new));
    }

    /// Removes the holdings for which `done` returns `true`.
    pub(super) fn sweep(&self, mut done: impl FnMut(&mut Holding<L>) -> bool) {
        for shard in &self.shards {
            lock(shard).retain(|_, holding| {
                let done = done(holding);
                self.len.fetch_sub(usize::from(done), Relaxed);
                !done
            });
        }
    }

    fn shard(&self, Account(place, _): Account) -> MutexGuard<'_, Shard<L>> {
        lock(&self.shards[(place >> 32) as usize & (SHARDS - 1)])
    }
}

impl<L: Clone + Send + Sync + 'static> Table<L> {
    /// Adds what is held now to the statistics.
    pub(super) fn add_to(&self, mut statistics: LeasedStatistics, now: Timestamp) -> LeasedStatistics {
        for shard in &self.shards {
            for holding in lock(shard).values() {
                statistics.live_chunks += holding.chunks();
                statistics.idle[holding.quota().unit() as usize].1 += holding.left(now);
            }
        }
        statistics
    }
}

fn lock<L>(shard: &Mutex<Shard<L>>) -> MutexGuard<'_, Shard<L>> {
    // Where a thread panicked, a chunk holds at most what it held before.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 64;
