//! Handling of completed batches.

use std::{sync::atomic::Ordering, time::Duration};

use redis::Value;
use sluicegate::StoreError;
use sluicegate_remote::jittered;
use tokio::time::Instant;

use super::{
    Driver,
    in_flight::{Completed, InFlight},
};
use crate::{
    error::ends_connection,
    job::{Job, UnclaimedReply},
    link::{Failure, Link},
    redirect::Redirect,
    reply::Replies,
    slot_map::Number,
};

impl Driver {
    pub(super) fn complete(&mut self, Completed { mut batch, result }: Completed) {
        if let Some(queue) = self.queues.get_mut(&batch.slot) {
            queue.completed();
        }
        let failure = match result {
            Ok(value) => {
                self.links.answered(batch.number, batch.generation);
                return self.deliver(batch.jobs, value);
            }
            Err(failure) => failure,
        };
        let redirect = Redirect::of(&failure.error, self.links.host(batch.number));
        if redirect.is_some() || failure.unsent {
            // Nothing was executed: as if it had never been sent.
            for job in &mut batch.jobs {
                job.sent = job.sent.filter(|sent| *sent != batch.at);
                job.hops = job.hops.saturating_add(1);
            }
        }
        match redirect.filter(|_| self.settings.map.is_cluster()) {
            Some(Redirect::Moved(owner)) => {
                self.links.moved(batch.slot, owner);
                self.all_again(batch, &failure);
            }
            Some(Redirect::Ask(node)) => match self.links.at(node) {
                (number, Some((generation, link))) => {
                    let link = link.clone();
                    self.send_now(InFlight { number, generation, asking: true, ..batch }, link);
                }
                (_, None) => self.pause_all(batch, &failure),
            },
            Some(Redirect::Split) if batch.jobs.len() > 1 => self.split(batch, &failure),
            Some(Redirect::Split) => self.pause_all(batch, &failure),
            Some(Redirect::Wait) => {
                self.links.inquire_soon();
                self.pause_all(batch, &failure);
            }
            None => self.stray(batch, &failure),
        }
        if let Some(due) = self.links.due() {
            self.wake_at(due);
        }
    }

    fn deliver(&mut self, jobs: Vec<Job>, value: Value) {
        let mut replies = Replies::of(value);
        if let Some(replies) = &replies {
            self.settings.time.heard(replies.now());
        }
        for job in jobs {
            let reply = replies.as_mut().and_then(|replies| replies.next(&job.request));
            job.reply_to.send(match reply {
                Some(reply) => Ok(UnclaimedReply::new(reply, &job.request, &self.outgoing)),
                None => Err(StoreError::misconfigured(format!(
                    "Redis at {} sent a reply that is not the script's",
                    self.settings.servers.address
                ))),
            });
        }
    }

    /// Handles a batch that failed without a redirect.
    fn stray(&mut self, batch: InFlight, failure: &Failure) {
        if ends_connection(&failure.error) {
            self.links.lost(batch.number, batch.generation, &failure.error);
            if failure.unsent || Redirect::of(&failure.error, "").is_some() {
                return self.all_again(batch, failure);
            }
        }
        for job in batch.jobs {
            let error = self.links.explain(batch.number, &failure.error);
            self.fail(job, error);
        }
    }

    /// Sends each request of a batch by itself, because their accounts are on different servers.
    fn split(&mut self, batch: InFlight, failure: &Failure) {
        let Some((number, generation, link)) = self.links.link(batch.slot) else {
            return self.pause_all(batch, failure);
        };
        let link = link.clone();
        let InFlight { slot, at, jobs, .. } = batch;
        for job in jobs {
            let batch = InFlight { slot, number, generation, at, asking: false, jobs: vec![job] };
            self.send_now(batch, link.clone());
        }
    }

    /// Sends a batch at once, regardless of others in flight to its slot.
    fn send_now(&mut self, mut batch: InFlight, link: Link) {
        batch.at = Instant::now();
        for job in &mut batch.jobs {
            job.sent.get_or_insert(batch.at);
        }
        self.queues.entry(batch.slot).or_default().started();
        self.counters.round_trips.fetch_add(1, Ordering::Relaxed);
        let (time, lease) = self.settings.terms();
        self.in_flight.push(Box::pin(batch.call(link, time, lease)));
    }

    /// Resends a batch that was not executed to the new owner of its slot.
    fn all_again(&mut self, batch: InFlight, failure: &Failure) {
        let number = batch.number;
        for job in batch.jobs.into_iter().rev() {
            match job.hops {
                0..=MOST_HOPS => self.again(job),
                _ => self.pause(job, number, failure),
            }
        }
    }

    pub(super) fn again(&mut self, job: Job) {
        self.queues.entry(job.request.slot).or_default().push_first(job);
    }

    fn pause_all(&mut self, batch: InFlight, failure: &Failure) {
        for job in batch.jobs {
            self.pause(job, batch.number, failure);
        }
    }

    /// Retries a request that was not executed in a moment, as long as its caller waits.
    fn pause(&mut self, job: Job, number: Number, failure: &Failure) {
        let again = Instant::now() + jittered(MOMENT);
        match job.until.filter(|until| again < *until) {
            Some(_) if !job.request.is_durable() => {
                self.paused.push_back((again, job));
                self.wake_at(again);
            }
            _ => {
                let error = self.links.explain(number, &failure.error);
                self.fail_unexecuted(job, error);
            }
        }
    }
}

/// Redirects that a request follows at once. Later ones wait for a moment.
const MOST_HOPS: u8 = 4;
const MOMENT: Duration = Duration::from_millis(10);
