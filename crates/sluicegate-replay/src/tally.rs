//! The counts of a replay.

use sluicegate_policy::{Judgement, LimitId, Part, Policy, RouteId};

use crate::{Moment, Unreadable, denied_keys::DeniedKeys, timeline::Timeline, trace::Trace, waits::Waits};

/// The counts of reading logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// Lines that decided nothing, such as refusals in a decision log.
    pub(crate) skipped: u64,
    /// Lines that cannot be read.
    pub(crate) unreadable: u64,
    /// The first of them.
    pub(crate) shown: Vec<Unreadable>,
}

impl Reading {
    pub(crate) fn unreadable(&mut self, line: Unreadable) {
        self.unreadable += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(line);
        }
    }
}

/// The counts of deciding.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) all: Outcomes,
    /// Of each route, by its id.
    pub(crate) routes: Vec<Outcomes>,
    /// Of each limit, by its id.
    pub(crate) limits: Vec<LimitTally>,
    pub(crate) timeline: Timeline,
    pub(crate) first: Option<Moment>,
    pub(crate) last: Moment,
    /// Records that came too late for their order, and were decided at the time of the one before.
    pub(crate) late: u64,
    /// Requests that were denied when they were logged, of which the log does not tell how long they would have run.
    pub(crate) guessed: u64,
    /// The outcomes of requests whose logs tell theirs.
    pub(crate) change: Change,
}

/// The outcomes of requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Outcomes {
    pub(crate) admitted: u64,
    pub(crate) denied: u64,
    /// Refused for another reason than a limit, such as the wrong tier.
    pub(crate) refused: u64,
}

/// The difference between the log's outcomes and the policy's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) same: u64,
    pub(crate) newly_denied: u64,
    pub(crate) newly_admitted: u64,
}

/// The counts of one limit.
#[derive(Debug)]
pub(crate) struct LimitTally {
    pub(crate) judged: u64,
    pub(crate) denied: u64,
    /// Requests that it could not judge, because the log does not tell their costs.
    pub(crate) unjudged: u64,
    pub(crate) waits: Waits,
    pub(crate) keys: DeniedKeys,
    pub(crate) timeline: Timeline,
    /// Judged requests of which the log does not tell this part of the key.
    pub(crate) missing: Vec<(Part, u64)>,
    /// Kept if a quota is wanted.
    pub(crate) trace: Option<Trace>,
}

impl Outcomes {
    pub(crate) const ADMITTED: Self = Self { admitted: 1, denied: 0, refused: 0 };
    pub(crate) const DENIED: Self = Self { admitted: 0, denied: 1, refused: 0 };
    pub(crate) const REFUSED: Self = Self { admitted: 0, denied: 0, refused: 1 };

    fn add(&mut self, other: Self) {
        self.admitted += other.admitted;
        self.denied += other.denied;
        self.refused += other.refused;
    }

    pub(crate) fn total(&self) -> u64 {
        self.admitted + self.denied + self.refused
    }
}

impl Change {
    pub(crate) fn count(&mut self, was_denied: bool, is_denied: bool) {
        match (was_denied, is_denied) {
            (false, true) => self.newly_denied += 1,
            (true, false) => self.newly_admitted += 1,
            _ => self.same += 1,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.same + self.newly_denied + self.newly_admitted
    }
}

impl Tally {
    /// Nothing is counted yet. Traces are kept if quotas are wanted.
    pub(crate) fn new(policy: &Policy, traces: bool) -> Self {
        let limit = |limit: &sluicegate_policy::Limit| LimitTally {
            judged: 0,
            denied: 0,
            unjudged: 0,
            waits: Waits::default(),
            keys: DeniedKeys::default(),
            timeline: Timeline::default(),
            missing: limit.key_template().parts().iter().map(|part| (part.clone(), 0)).collect(),
            trace: traces.then(Trace::default),
        };
        Self {
            all: Outcomes::default(),
            routes: vec![Outcomes::default(); policy.routes.as_slice().len()],
            limits: policy.limits.iter().map(limit).collect(),
            timeline: Timeline::default(),
            first: None,
            last: Moment::default(),
            late: 0,
            guessed: 0,
            change: Change::default(),
        }
    }

    /// Counts the judgement of a limit.
    pub(crate) fn judged(&mut self, time: Moment, judgement: &Judgement<'_>) {
        let Some(limit) = self.limits.get_mut(judgement.limit.index()) else { return };
        let wait = judgement.balance.wait;
        limit.judged += 1;
        limit.timeline.count(time, !wait.fits());
        if !wait.fits() {
            limit.denied += 1;
            limit.waits.count(wait);
            limit.keys.count(&judgement.charge.key, wait);
        }
    }

    /// Counts a request whose cost on a limit is unknown.
    pub(crate) fn unjudged(&mut self, limit: LimitId) {
        if let Some(limit) = self.limits.get_mut(limit.index()) {
            limit.unjudged += 1;
        }
    }

    /// Counts the outcome of a request.
    pub(crate) fn decided(&mut self, time: Moment, route: RouteId, one: Outcomes) {
        self.first.get_or_insert(time);
        self.last = self.last.max(time);
        self.timeline.count(time, one.denied > 0);
        self.all.add(one);
        if let Some(route) = self.routes.get_mut(route.index()) {
            route.add(one);
        }
    }
}

const SHOWN: usize = 5;
