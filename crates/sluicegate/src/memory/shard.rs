//! One part of the store, behind one lock.

use std::mem;

use super::{accounts::Accounts, evicted::Evicted, holders::Holders, table::Table};
use crate::{
    Algorithm, Charge, Timestamp,
    accounts::{FixedWindow, SlidingLog, SlidingWindow, Standing},
    fingerprint::Fingerprint,
};

/// All accounts of the keys that fall into this shard, but their token buckets: a table for each algorithm, which takes
/// memory once the algorithm is used. The lock is also needed to give one of these keys a token bucket.
#[derive(Debug)]
pub(super) struct Shard {
    fixed_windows: Table<FixedWindow>,
    sliding_windows: Table<SlidingWindow>,
    sliding_logs: Table<SlidingLog>,
    pub(super) holders: Holders,
    now: Timestamp,
}

impl Shard {
    pub(super) fn with_room_for(keys: usize) -> Self {
        Self {
            fixed_windows: Table::with_room_for(keys),
            sliding_windows: Table::with_room_for(keys),
            sliding_logs: Table::with_room_for(keys),
            holders: Holders::default(),
            now: Timestamp::EPOCH,
        }
    }

    /// The latest time that was seen here. A reading from before the lock was held may be earlier than that of
    /// the previous holder. For an account, time never goes back.
    #[inline]
    pub(super) fn latest(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    /// Judges the only charge of a request, and takes it if it fits. `None` for a token bucket, which is not here, and
    /// for a concurrent limit, which needs a lease.
    #[inline]
    pub(super) fn take(
        &mut self,
        fingerprint: Fingerprint,
        charge: &Charge,
        now: Timestamp,
    ) -> Option<Standing> {
        Some(match charge.quota.algorithm() {
            Algorithm::FixedWindow => self.fixed_windows.take(fingerprint, charge, now),
            Algorithm::SlidingWindow => self.sliding_windows.take(fingerprint, charge, now),
            Algorithm::SlidingLog => self.sliding_logs.take(fingerprint, charge, now),
            Algorithm::TokenBucket | Algorithm::Concurrent => return None,
        })
    }

    /// The accounts of an algorithm. `None` for token buckets, which are not here.
    pub(super) fn accounts(&self, algorithm: Algorithm) -> Option<&dyn Accounts> {
        match algorithm {
            Algorithm::TokenBucket => None,
            Algorithm::FixedWindow => Some(&self.fixed_windows),
            Algorithm::SlidingWindow => Some(&self.sliding_windows),
            Algorithm::SlidingLog => Some(&self.sliding_logs),
            Algorithm::Concurrent => Some(&self.holders),
        }
    }

    /// The same, to be changed.
    pub(super) fn accounts_mut(&mut self, algorithm: Algorithm) -> Option<&mut dyn Accounts> {
        match algorithm {
            Algorithm::TokenBucket => None,
            Algorithm::FixedWindow => Some(&mut self.fixed_windows),
            Algorithm::SlidingWindow => Some(&mut self.sliding_windows),
            Algorithm::SlidingLog => Some(&mut self.sliding_logs),
            Algorithm::Concurrent => Some(&mut self.holders),
        }
    }

    /// Forgets every account. Returns them to be freed outside the lock.
    pub(super) fn clear(&mut self) -> Self {
        let empty = Self {
            fixed_windows: self.fixed_windows.emptied(),
            sliding_windows: self.sliding_windows.emptied(),
            sliding_logs: self.sliding_logs.emptied(),
            holders: Holders::default(),
            now: self.now,
        };
        mem::replace(self, empty)
    }

    pub(super) fn len(&self) -> usize {
        self.fixed_windows.len() + self.sliding_windows.len() + self.sliding_logs.len() + self.holders.len()
    }

    pub(super) fn evicted(&self) -> Evicted {
        self.fixed_windows.evicted() + self.sliding_windows.evicted() + self.sliding_logs.evicted()
    }
}
