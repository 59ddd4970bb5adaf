//! A job: to take the charges of one request, or to settle them.

mod settling;
mod snapshot;
mod taking;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sluicegate::{Charge, StoreError, Timestamp};
use sluicegate_remote::OnceSender;
use smallvec::SmallVec;

use crate::{link::Failure, location::Location, working_set::WorkingSet};
pub(crate) use settling::Settling;
use taking::Step;
pub(crate) use taking::Taking;

/// The sender of the reply to a caller. The worker and the keeper of deadlines share it.
pub(crate) type ReplyTo<T> = Arc<OnceSender<Result<T, StoreError>>>;

/// A job: to take charges, or to settle them. It runs in rounds, until all of its accounts are written.
#[derive(Debug)]
pub(crate) struct Job {
    tracked: TrackedCharges,
    work: Work,
    /// Set if its accounts were read since it was queued: no denial, and no success without a write, rests on
    /// earlier reads.
    read: bool,
}

#[derive(Debug)]
enum Work {
    Take(Taking),
    Settle(Settling),
}

/// Charges with the locations of their accounts and the progress of each, index by index.
#[derive(Debug)]
struct TrackedCharges {
    charges: SmallVec<[Charge; 4]>,
    locations: SmallVec<[Location; 4]>,
    progress: SmallVec<[Progress; 4]>,
}

/// The progress of a charge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    /// It is not done yet.
    Open,
    /// It is done in the working set, which is being written.
    Pending,
    /// It is written, or there is nothing to write.
    Done,
}

/// The next step of a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Finished,
    /// It needs another round.
    Unfinished,
    /// It can be done later, and not now.
    Postponed,
    /// Its other accounts are on other servers.
    Elsewhere,
}

impl Job {
    pub(crate) fn take(charges: &[Charge], locations: SmallVec<[Location; 4]>, taking: Taking) -> Self {
        Self { tracked: TrackedCharges::new(charges, locations), work: Work::Take(taking), read: false }
    }

    pub(crate) fn settle(charges: &[Charge], locations: SmallVec<[Location; 4]>, settling: Settling) -> Self {
        Self { tracked: TrackedCharges::new(charges, locations), work: Work::Settle(settling), read: false }
    }

    /// Its charges, and where their accounts are.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&Charge, &Location)> {
        self.tracked.charges.iter().zip(&self.tracked.locations)
    }

    /// Applies what it can to the working set, and returns the next step.
    pub(crate) fn proceed(&mut self, working_set: &mut WorkingSet, now: Timestamp) -> Fate {
        if let Work::Take(taking) = &mut self.work {
            match taking.proceed(&mut self.tracked, working_set, self.read, now) {
                Step::Finished => return Fate::Finished,
                Step::Unfinished => return Fate::Unfinished,
                Step::GiveBack(settling) => self.work = Work::Settle(settling),
            }
        }
        match &mut self.work {
            Work::Settle(settling) => settling.proceed(&mut self.tracked, working_set, self.read, now),
            Work::Take(_) => Fate::Unfinished,
        }
    }

    /// Ends a round in which these accounts were written, and these servers did not reply.
    pub(crate) fn end_round(
        &mut self,
        written: &HashSet<Location>,
        failures: &HashMap<usize, Failure>,
    ) -> Fate {
        let (mut down, mut unknown) = (SmallVec::<[&Failure; 2]>::new(), None);
        self.read = true;
        for (progress, location) in self.tracked.progress.iter_mut().zip(&self.tracked.locations) {
            let failure = failures.get(&location.server);
            self.read &= failure.is_none();
            down.extend(failure.filter(|failure| !failure.is_replaced()));
            if *progress != Progress::Pending {
                continue;
            }
            *progress = match failure {
                Some(failure) if failure.perhaps_done => {
                    unknown = Some(failure);
                    Progress::Done
                }
                _ if written.contains(location) => Progress::Done,
                // Another writer was faster, or it was never sent: it is judged anew.
                _ => Progress::Open,
            };
        }
        match (&mut self.work, down.first()) {
            (_, None) => Fate::Unfinished,
            (Work::Take(taking), Some(_)) => {
                taking.fail(down.iter().copied());
                self.give_up(failures)
            }
            (Work::Settle(settling), Some(failure)) => settling.fail(&self.tracked, failure, unknown),
        }
    }

    /// Gives up a take. Written charges are given back, except where it is unknown whether they were written.
    fn give_up(&mut self, failures: &HashMap<usize, Failure>) -> Fate {
        let Work::Take(taking) = &self.work else { return Fate::Finished };
        for (progress, location) in self.tracked.progress.iter_mut().zip(&self.tracked.locations) {
            if failures.contains_key(&location.server) {
                *progress = Progress::Open;
            }
        }
        match taking.give_back(&mut self.tracked) {
            Some(settling) => {
                self.tracked.keep_open();
                self.work = Work::Settle(settling);
                self.read = false;
                Fate::Elsewhere
            }
            None => Fate::Finished,
        }
    }

    /// Fails the job: no worker will do it.
    pub(crate) fn abandon(&self, failure: &Failure) {
        match &self.work {
            Work::Take(taking) => taking.fail([failure]),
            Work::Settle(settling) => settling.abandon(failure),
        }
    }
}

impl TrackedCharges {
    fn new(charges: &[Charge], locations: SmallVec<[Location; 4]>) -> Self {
        let progress = charges.iter().map(|_| Progress::Open).collect();
        Self { charges: charges.into(), locations, progress }
    }

    /// Returns `true` if they are on more than one server.
    fn are_apart(&self) -> bool {
        self.locations.iter().any(|location| location.server != self.locations[0].server)
    }

    /// Drops all but the open ones.
    fn keep_open(&mut self) {
        let open: SmallVec<[usize; 4]> =
            (0..self.progress.len()).filter(|index| self.progress[*index] == Progress::Open).collect();
        self.charges = open.iter().map(|index| self.charges[*index].clone()).collect();
        self.locations = open.iter().map(|index| self.locations[*index].clone()).collect();
        self.progress = open.iter().map(|_| Progress::Open).collect();
    }
}
