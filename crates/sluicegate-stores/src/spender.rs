//! Redis, whose quotas this process spends in chunks.

use std::{sync::Arc, time::Duration};

use sluicegate::{DenyCache, Fallback, Leased, SystemClock};
use sluicegate_policy::ChunkSettings;
use sluicegate_redis::RedisStore;
use tokio::{task::AbortHandle, time::interval};

use crate::{Remote, StoreStatistics, Units, remote::statistics, thread::StoreThread};

/// Redis, whose quotas this process spends in chunks, and the thread that speaks with it.
#[derive(Debug)]
pub struct Spender {
    // Dropped in this order: the store gives its chunks back before the thread ends.
    _tidier: Tidier,
    pub(crate) store: Arc<Leased<Fallback<DenyCache<RedisStore>>>>,
    _thread: StoreThread,
}

/// A task that gives back chunks that are not used, also where no requests come.
#[derive(Debug)]
struct Tidier(AbortHandle);

impl Spender {
    /// Spends the quotas of this store in chunks. Without settings each decision is a call.
    pub(crate) fn of(remote: Remote<RedisStore>, chunks: Option<ChunkSettings>) -> Self {
        let Remote { store, thread } = remote;
        let ChunkSettings { share, life } = chunks.unwrap_or_default();
        let share = u32::try_from(share.millionths()).unwrap_or(u32::MAX);
        let share = chunks.map_or(0, |_| share);
        let store = Arc::new(Leased::builder(store).share(share).life(life).build());
        let tidier = Tidier::start(&store, life, &thread);
        Self { _tidier: tidier, store, _thread: thread }
    }

    /// The store's counters and gauges.
    pub(crate) fn statistics(&self) -> StoreStatistics {
        let chunks = self.store.statistics();
        StoreStatistics {
            decided_by_chunks: chunks.decided,
            chunks: chunks.chunks,
            live_chunks: chunks.live_chunks,
            idle_units: Units::of(&chunks.idle),
            expired_units: Units::of(&chunks.expired),
            ..statistics(self.store.store())
        }
    }
}

impl Tidier {
    fn start(
        store: &Arc<Leased<Fallback<DenyCache<RedisStore>, SystemClock>, SystemClock>>,
        life: Duration,
        thread: &StoreThread,
    ) -> Self {
        let store = Arc::downgrade(store);
        let task = thread.runtime().spawn(async move {
            let mut interval = interval(life / ROUNDS);
            loop {
                interval.tick().await;
                match store.upgrade() {
                    Some(store) => store.tidy(),
                    None => return,
                }
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Tidier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Rounds in a chunk's life.
const ROUNDS: u32 = 4;
