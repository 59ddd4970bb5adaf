//! Replacing estimates by actual costs.

use std::time::Duration;

use sluicegate::{Cost, Timestamp};
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use super::{Fate, Progress, ReplyTo, TrackedCharges};
use crate::{link::Failure, working_set::WorkingSet};

/// Replacing the estimates of charges by actual costs; or by nothing, which gives them back.
///
/// It is retried only if it certainly was not done: an account that another writer has changed meanwhile, a server
/// that could not be reached. If it is unknown, the estimate stays.
#[derive(Debug)]
pub(crate) struct Settling {
    actual: SmallVec<[Cost; 4]>,
    taken_at: Timestamp,
    /// Giving back is not awaited.
    reply_to: Option<ReplyTo<()>>,
    /// The end of its attempts.
    until: Instant,
    /// The reason that a part of it cannot be done.
    failure: Option<Failure>,
}

impl Settling {
    pub(crate) fn new(actual: SmallVec<[Cost; 4]>, taken_at: Timestamp, reply_to: ReplyTo<()>) -> Self {
        Self { actual, taken_at, reply_to: Some(reply_to), until: Instant::now() + RETRY_TIME, failure: None }
    }

    /// Giving back so many charges.
    pub(super) fn give_back(charges: usize, taken_at: Timestamp) -> Self {
        let actual = smallvec![Cost::ZERO; charges];
        Self { actual, taken_at, reply_to: None, until: Instant::now() + RETRY_TIME, failure: None }
    }

    pub(super) fn proceed(
        &mut self,
        tracked: &mut TrackedCharges,
        working_set: &mut WorkingSet,
        read: bool,
        now: Timestamp,
    ) -> Fate {
        for (index, charge) in tracked.charges.iter().enumerate() {
            if tracked.progress[index] != Progress::Open {
                continue;
            }
            let entry = match working_set.get_mut(&tracked.locations[index]) {
                None => continue,
                Some(Ok(entry)) => entry,
                Some(Err(failure)) => {
                    self.failure = Some(failure.clone());
                    tracked.progress[index] = Progress::Done;
                    continue;
                }
            };
            let before = entry.account.clone();
            entry.account.settle(&charge.quota, charge.cost, self.actual[index], self.taken_at, now);
            if entry.account != before {
                entry.changed = true;
                tracked.progress[index] = Progress::Pending;
            } else if read && !entry.changed {
                // A refund for a window that is over changes nothing.
                tracked.progress[index] = Progress::Done;
            }
        }
        self.fate(tracked)
    }

    /// A server did not answer, and it is `unknown` whether something was written there.
    pub(super) fn fail(
        &mut self,
        tracked: &TrackedCharges,
        failure: &Failure,
        unknown: Option<&Failure>,
    ) -> Fate {
        if let Some(unknown) = unknown {
            self.failure = Some(unknown.clone());
        }
        match self.fate(tracked) {
            Fate::Unfinished if Instant::now() < self.until => Fate::Postponed,
            Fate::Unfinished => {
                self.abandon(failure);
                Fate::Finished
            }
            fate => fate,
        }
    }

    pub(super) fn abandon(&self, failure: &Failure) {
        if let Some(reply_to) = &self.reply_to {
            reply_to.send(Err(failure.error()));
        }
    }

    fn fate(&self, tracked: &TrackedCharges) -> Fate {
        if tracked.progress.iter().any(|progress| *progress != Progress::Done) {
            return Fate::Unfinished;
        }
        if let Some(reply_to) = &self.reply_to {
            reply_to.send(self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.error())));
        }
        Fate::Finished
    }
}

/// The time for which a settlement is retried that certainly was not done, although its caller gets an error sooner.
const RETRY_TIME: Duration = Duration::from_secs(1);
