//! Taking charges, all or none.

use sluicegate::{Decision, Lease, Taken, Timestamp, accounts::Verdict};

use super::{Progress, ReplyTo, Settling, TrackedCharges, snapshot::Snapshot};
use crate::{link::Failure, working_set::WorkingSet};

/// Taking charges, all or none.
///
/// All are judged together. If they fit, they are charged in the working set, which is then written. An account that
/// another instance has changed meanwhile is not, and the request is judged anew on its new state. A denial then gives
/// back what was written.
#[derive(Debug)]
pub(crate) struct Taking {
    reply_to: ReplyTo<Decision<Taken>>,
    /// The time of the take.
    at: Timestamp,
    /// The decision to return once all is written.
    decision: Option<Decision<Taken>>,
}

/// The next step.
pub(super) enum Step {
    Finished,
    Unfinished,
    GiveBack(Settling),
}

impl Taking {
    pub(crate) fn new(reply_to: ReplyTo<Decision<Taken>>) -> Self {
        Self { reply_to, at: Timestamp::EPOCH, decision: None }
    }

    pub(super) fn proceed(
        &mut self,
        tracked: &mut TrackedCharges,
        working_set: &mut WorkingSet,
        read: bool,
        now: Timestamp,
    ) -> Step {
        if self.reply_to.is_closed() {
            // Its deadline has passed, or its caller has gone. Charges on the only server stay: it is unknown
            // what the caller made of them.
            return self.give_back(tracked).map_or(Step::Finished, Step::GiveBack);
        }
        let decided = self.decision.take_if(|_| is_written(tracked));
        if let Some(decision) = decided {
            return if self.reply_to.send(Ok(decision)) {
                Step::Finished
            } else {
                self.give_back(tracked).map_or(Step::Finished, Step::GiveBack)
            };
        }
        if !tracked.progress.contains(&Progress::Done) {
            // Once something is written, it is taken at that time, in whichever round the rest follows.
            self.at = now;
        }
        let at = self.at;
        let judged = Snapshot::of(tracked, working_set, at).map(|snapshot| {
            snapshot.map(|snapshot| (Verdict::of(&tracked.charges, &snapshot), read && snapshot.is_written))
        });
        let (verdict, is_certain) = match judged {
            Ok(Some(judged)) => judged,
            Ok(None) => return Step::Unfinished,
            Err(failure) => {
                self.fail([&failure]);
                return self.give_back(tracked).map_or(Step::Finished, Step::GiveBack);
            }
        };
        let decision = verdict.decision(Lease::new(0, at));
        if verdict.admits() && charge(tracked, working_set, at) {
            self.decision = Some(decision);
            return Step::Unfinished;
        }
        if !is_certain {
            return Step::Unfinished;
        }
        self.reply_to.send(Ok(decision));
        if give_back(tracked) {
            Step::GiveBack(Settling::give_back(tracked.charges.len(), at))
        } else {
            Step::Finished
        }
    }

    /// These are the reasons why it comes to nothing.
    pub(super) fn fail<'f>(&self, failures: impl IntoIterator<Item = &'f Failure>) {
        if let Some(error) = Failure::error_of(failures) {
            self.reply_to.send(Err(error));
        }
    }

    /// Returns the settlement that gives back the written charges of a request to several servers. The caller learns which
    /// server failed, and may ask the others again.
    pub(super) fn give_back(&self, tracked: &mut TrackedCharges) -> Option<Settling> {
        let charges = tracked.charges.len();
        (tracked.are_apart() && give_back(tracked)).then(|| Settling::give_back(charges, self.at))
    }
}

/// Applies the open charges to the working set. Returns `true` if there were any.
fn charge(tracked: &mut TrackedCharges, working_set: &mut WorkingSet, at: Timestamp) -> bool {
    let mut any = false;
    for (index, charge) in tracked.charges.iter().enumerate() {
        if charge.cost.is_zero() || tracked.progress[index] == Progress::Done {
            continue;
        }
        if let Some(Ok(entry)) = working_set.get_mut(&tracked.locations[index]) {
            entry.account.charge(&charge.quota, charge.cost, at);
            entry.changed = true;
            tracked.progress[index] = Progress::Pending;
            any = true;
        }
    }
    any
}

/// Returns `true` if every charge with a cost is written.
fn is_written(tracked: &TrackedCharges) -> bool {
    let mut charges = tracked.charges.iter().zip(&tracked.progress);
    charges.all(|(charge, progress)| charge.cost.is_zero() || *progress == Progress::Done)
}

/// Turns charges that are written into ones to be given back. Returns `true` if there were any.
fn give_back(tracked: &mut TrackedCharges) -> bool {
    for progress in &mut tracked.progress {
        *progress = match progress {
            Progress::Done => Progress::Open,
            Progress::Open | Progress::Pending => Progress::Done,
        };
    }
    tracked.progress.contains(&Progress::Open)
}
