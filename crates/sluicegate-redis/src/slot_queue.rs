//! The queue of one slot.

use std::collections::VecDeque;

use crate::{
    call::Call,
    job::Job,
    request::{Request, Verb},
};

/// The queue of one slot of a cluster, or of a single server: requests leave it in batches, one after the other.
#[derive(Default)]
pub(crate) struct SlotQueue {
    queue: VecDeque<Job>,
    in_flight: usize,
}

impl SlotQueue {
    pub(crate) fn push(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    /// It goes before all others.
    pub(crate) fn push_first(&mut self, job: Job) {
        self.queue.push_front(job);
    }

    /// The next batch, if one may go. Without a batch in flight it goes at once. Otherwise it goes only if it
    /// is worth a call of its own, so that Redis works on one while this side works on the other.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<Job>> {
        // Its caller is gone, and nothing has been done yet.
        self.queue
            .retain(|job| job.request.is_durable() || is_renewal(&job.request) || !job.reply_to.is_closed());
        let waiting = self.queue.len();
        let jobs = match self.in_flight {
            0 if waiting >= 2 * WORTH_A_CALL => waiting / 2,
            0 => waiting,
            1 if waiting >= WORTH_A_CALL => waiting,
            _ => 0,
        };
        let (mut batch, mut lines) = (Vec::with_capacity(jobs.min(Call::LINES)), 0);
        while let Some(job) = self.queue.front().filter(|_| batch.len() < jobs) {
            lines += job.request.lines.len();
            // At least one, however large it is.
            if !batch.is_empty() && lines > Call::LINES {
                break;
            }
            batch.extend(self.queue.pop_front());
        }
        if batch.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some(batch)
    }

    /// Returns `true` if anything waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Returns `true` if the waiting requests are few for a batch.
    pub(crate) fn waits_for_more(&self) -> bool {
        self.queue.len() < WORTH_A_CALL
    }

    /// Counts a batch that was sent past this queue.
    pub(crate) fn started(&mut self) {
        self.in_flight += 1;
    }

    /// Counts a batch that has come back.
    pub(crate) fn completed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Returns `true` if nothing waits and nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.queue.is_empty()
    }

    /// Takes back the unsent jobs.
    pub(crate) fn recall(&mut self) -> VecDeque<Job> {
        std::mem::take(&mut self.queue)
    }
}

fn is_renewal(request: &Request) -> bool {
    matches!(request.verb, Verb::Renew { .. })
}

/// Requests for which a second call at the same time costs less than it saves.
const WORTH_A_CALL: usize = 16;
