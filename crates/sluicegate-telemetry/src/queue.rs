//! Spans that have ended and are not sent yet.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

use crate::Span;

/// The spans that have ended and are not sent yet, at most [`CAPACITY`](Self::CAPACITY) of them: a request never waits for
/// the collector. Spans that find it full are dropped and counted.
#[derive(Debug, Default)]
pub struct SpanQueue {
    waiting: Mutex<VecDeque<Span>>,
    /// Told when enough spans wait for a batch.
    is_batch: Notify,
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// Spans that are being sent. Those of a batch that is dropped wait again.
#[derive(Debug)]
pub struct Batch<'q> {
    queue: &'q SpanQueue,
    spans: Vec<Span>,
}

impl SpanQueue {
    /// The most spans that wait.
    pub const CAPACITY: usize = 4096;
    /// The most spans of one batch.
    pub const BATCH: usize = 512;

    /// Takes spans that have ended.
    pub fn push(&self, spans: impl IntoIterator<Item = Span>) {
        let mut waiting = self.waiting();
        let before = waiting.len();
        for span in spans {
            if waiting.len() < Self::CAPACITY {
                waiting.push_back(span);
            } else {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
        if before < Self::BATCH && waiting.len() >= Self::BATCH {
            self.is_batch.notify_one();
        }
    }

    /// Returns when enough spans wait for a batch.
    pub async fn until_batch(&self) {
        self.is_batch.notified().await;
    }

    /// The spans that have waited longest. `None` if there are none.
    pub fn batch(&self) -> Option<Batch<'_>> {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            return None;
        }
        let count = waiting.len().min(Self::BATCH);
        let spans = waiting.drain(..count).collect();
        Some(Batch { queue: self, spans })
    }

    /// The number of spans that a collector has accepted.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// The number of spans that were dropped: the queue was full, or the collector refused them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch<'_> {
    /// The spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Counts the spans as sent, but for so many that the collector refused.
    pub fn sent(mut self, refused: u64) {
        let all = self.spans.drain(..).len() as u64;
        let refused = refused.min(all);
        self.queue.sent.fetch_add(all - refused, Relaxed);
        self.queue.dropped.fetch_add(refused, Relaxed);
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        for span in self.spans.drain(..).rev() {
            if waiting.len() < SpanQueue::CAPACITY {
                waiting.push_front(span);
            } else {
                self.queue.dropped.fetch_add(1, Relaxed);
            }
        }
    }
}
