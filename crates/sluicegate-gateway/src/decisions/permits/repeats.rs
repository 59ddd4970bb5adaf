//! The answers that have given permits, for callers that repeat their calls.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::Shared};
use sluicegate::Timestamp;
use tokio::sync::oneshot;

use super::table::REMEMBERED;

/// The answers that have given permits, by the callers' idempotency keys.
///
/// Keys and calls are kept as keyed hashes of 128 bits.
pub(super) struct Repeats {
    hashers: [RandomState; 2],
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_key: HashMap<u128, Remembered>,
    /// The keys in the order in which they came, each with the number of its call.
    order: VecDeque<(Timestamp, u128, u64)>,
    calls: u64,
}

struct Remembered {
    number: u64,
    call: u128,
    answer: Answer,
}

/// The answer to the first call with a key. An error if that has given no permit.
pub(in crate::decisions) type Answer = Shared<oneshot::Receiver<Bytes>>;

/// A call with an idempotency key.
pub(in crate::decisions) enum Claimed {
    /// The first one with this key.
    First(Claim),
    /// A repetition of it.
    Again(Answer),
    /// Another call with the same key.
    Other,
}

/// The claim of the first call with a key. Dropping it forgets the key, so that the next call is decided anew.
pub(in crate::decisions) struct Claim {
    repeats: Arc<Repeats>,
    key: u128,
    number: u64,
    answer: Option<oneshot::Sender<Bytes>>,
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { hashers: [RandomState::new(), RandomState::new()], table: Mutex::default() }
    }

    pub(super) fn claim(self: &Arc<Self>, key: &[u8], call: &[u8], now: Timestamp) -> Claimed {
        let (key, call) = (self.hash(key), self.hash(call));
        let mut table = self.lock();
        table.forget(now);
        if let Some(known) = table.by_key.get(&key) {
            return if known.call == call { Claimed::Again(known.answer.clone()) } else { Claimed::Other };
        }
        let (sender, answer) = oneshot::channel();
        table.calls += 1;
        let number = table.calls;
        table.by_key.insert(key, Remembered { number, call, answer: answer.shared() });
        table.order.push_back((now, key, number));
        table.forget(now);
        Claimed::First(Claim { repeats: Arc::clone(self), key, number, answer: Some(sender) })
    }

    fn hash(&self, bytes: &[u8]) -> u128 {
        let [high, low] = [0, 1].map(|half| u128::from(self.hashers[half].hash_one(bytes)));
        high << 64 | low
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A thread that panicked here has changed the table or has not; it is whole either way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets keys that came long ago, and those before the last [`MOST`].
    fn forget(&mut self, now: Timestamp) {
        while let Some((at, key, number)) = self.order.front().copied()
            && (self.order.len() > MOST || now.since(at) >= REMEMBERED)
        {
            self.order.pop_front();
            self.remove(key, number);
        }
    }

    /// Forgets a key, unless a later call has it.
    fn remove(&mut self, key: u128, number: u64) {
        if self.by_key.get(&key).is_some_and(|known| known.number == number) {
            self.by_key.remove(&key);
        }
    }
}

impl Claim {
    /// Answers this call, and every one that repeats it.
    pub(in crate::decisions) fn answer(mut self, answer: Bytes) {
        if let Some(sender) = self.answer.take() {
            // Nobody may repeat it.
            let _ = sender.send(answer);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.answer.is_some() {
            self.repeats.lock().remove(self.key, self.number);
        }
    }
}

/// The most keys that are remembered.
const MOST: usize = 20_000;
