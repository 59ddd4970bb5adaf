//! Setting up a memory store.

use std::{sync::Mutex, sync::atomic::AtomicU64, thread};

use super::{MemoryStore, Padded, shard::Shard, token_buckets::TokenBuckets};
use crate::{Clock, SystemClock, fingerprint::Secret};

/// Sets up a [`MemoryStore`].
#[derive(Clone, Debug)]
#[must_use]
pub struct MemoryStoreBuilder<C = SystemClock> {
    max_keys: usize,
    clock: C,
}

impl MemoryStoreBuilder {
    pub(super) fn new() -> Self {
        Self { max_keys: DEFAULT_KEYS, clock: SystemClock::new() }
    }
}

impl<C: Clock> MemoryStoreBuilder<C> {
    /// Sets the number of keys of each algorithm to have room for, from one to four billion. Defaults to a
    /// million. [`MemoryStore`]'s documentation has the memory that it takes.
    pub fn max_keys(self, max_keys: usize) -> Self {
        Self { max_keys: max_keys.clamp(1, MAX_KEYS), ..self }
    }

    /// Follows this clock.
    pub fn clock<D: Clock>(self, clock: D) -> MemoryStoreBuilder<D> {
        MemoryStoreBuilder { max_keys: self.max_keys, clock }
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> MemoryStore<C> {
        let shards = shards(self.max_keys);
        let keys = self.max_keys.div_ceil(shards);
        MemoryStore {
            token_buckets: TokenBuckets::with_room_for(self.max_keys),
            shards: (0..shards).map(|_| Padded(Mutex::new(Shard::with_room_for(keys)))).collect(),
            secret: Secret::random(),
            // Zero is for leases that hold nothing.
            leases: AtomicU64::new(1),
            max_keys: self.max_keys,
            clock: self.clock,
        }
    }
}

/// A power of two: so many that threads seldom meet in one, but never so small that chance fills one long before
/// the others.
fn shards(max_keys: usize) -> usize {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let wanted = threads.saturating_mul(SHARDS_PER_THREAD).min(MAX_SHARDS).next_power_of_two();
    let filled = max_keys / MIN_KEYS_PER_SHARD;
    wanted.min(1 << filled.checked_ilog2().unwrap_or(0))
}

const DEFAULT_KEYS: usize = 1_000_000;
/// The buckets of one shard are counted in 32 bits.
const MAX_KEYS: usize = 4_000_000_000;
const SHARDS_PER_THREAD: usize = 16;
const MAX_SHARDS: usize = 512;
const MIN_KEYS_PER_SHARD: usize = 1_024;
