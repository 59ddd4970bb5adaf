//! The report of a replay.

mod json;
pub(crate) mod quantities;
mod text;

use std::time::Duration;

use sluicegate::Quota;
use sluicegate_policy::{Mode, Part, Policy};

use crate::{
    Moment,
    decider::Decider,
    needed::Needed,
    tally::{Change, LimitTally, Outcomes, Reading},
    timeline::Timeline,
};

/// The report of a replay: what a policy would have decided.
///
/// As text it is for people, [`to_json`](Self::to_json) is for programs, and [`plots`](Self::plots) draws it.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) from: Option<Moment>,
    pub(crate) to: Moment,
    pub(crate) requests: Outcomes,
    pub(crate) routes: Vec<RouteReport>,
    pub(crate) limits: Vec<LimitReport>,
    pub(crate) timeline: Timeline,
    /// The log's own outcomes compared with the policy's.
    pub(crate) change: Change,
    pub(crate) reading: Reading,
    pub(crate) late: u64,
    pub(crate) guessed: u64,
    pub(crate) evictions: u64,
    /// The share of denials that is wanted.
    pub(crate) wanted: Option<f64>,
}

/// A route's part of the report.
#[derive(Clone, Debug)]
pub(crate) struct RouteReport {
    pub(crate) label: String,
    pub(crate) outcomes: Outcomes,
}

/// A limit's part of the report.
#[derive(Clone, Debug)]
pub(crate) struct LimitReport {
    pub(crate) name: String,
    pub(crate) quota: Quota,
    pub(crate) mode: Mode,
    pub(crate) key: Vec<String>,
    pub(crate) judged: u64,
    pub(crate) denied: u64,
    pub(crate) unjudged: u64,
    pub(crate) longest_wait: Option<Duration>,
    pub(crate) median_wait: Option<Duration>,
    /// Denials that no wait helps.
    pub(crate) forever: u64,
    /// Keys that are denied, at least.
    pub(crate) keys: u64,
    pub(crate) most_denied: Vec<DeniedKeyReport>,
    /// Denials of keys that came when too many were counted already.
    pub(crate) uncounted: u64,
    /// Judged requests of which the log does not tell this part of the key.
    pub(crate) missing: Vec<(Part, u64)>,
    pub(crate) needed: Option<Needed>,
    pub(crate) timeline: Timeline,
}

/// A key that is denied often.
#[derive(Clone, Debug)]
pub(crate) struct DeniedKeyReport {
    pub(crate) key: String,
    pub(crate) denied: u64,
    pub(crate) longest_wait: Option<Duration>,
}

impl Report {
    /// Reports what was counted. `keys` is the number of keys to tell for each limit, and `wanted` the share of denials for
    /// which a quota is searched.
    pub(crate) fn of(decider: &Decider, reading: Reading, keys: usize, wanted: Option<f64>) -> Self {
        let (policy, tally) = (decider.policy(), &decider.tally);
        let routes = policy.routes.as_slice().iter().zip(&tally.routes);
        let routes = routes.filter(|(_, outcomes)| outcomes.total() > 0);
        let limits = (0..policy.limits.len()).zip(&tally.limits);
        let limits = limits.filter(|(_, limit)| limit.judged + limit.unjudged > 0);
        Self {
            from: tally.first,
            to: tally.last,
            requests: tally.all,
            routes: routes
                .map(|(route, outcomes)| RouteReport { label: route.label().to_owned(), outcomes: *outcomes })
                .collect(),
            limits: limits
                .map(|(place, limit)| LimitReport::of(policy, place, limit, keys, wanted))
                .collect(),
            timeline: tally.timeline.clone(),
            change: tally.change,
            reading,
            late: tally.late,
            guessed: tally.guessed,
            evictions: decider.evictions(),
            wanted,
        }
    }

    /// The number of requests that the policy decided.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.total()
    }

    /// The number of requests whose outcome the log tells, and the policy decides otherwise.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.change.newly_admitted + self.change.newly_denied
    }
}

impl LimitReport {
    fn of(policy: &Policy, place: usize, tally: &LimitTally, keys: usize, wanted: Option<f64>) -> Self {
        let (limit, tier) = (&policy.limits[place], policy.tiers.default_tier());
        let most = tally.keys.most(keys).into_iter().map(|(key, counted)| DeniedKeyReport {
            key: key.as_str().split_once('|').map_or("everybody", |(_, key)| key).to_owned(),
            denied: counted.denials,
            longest_wait: counted.longest_wait,
        });
        let needed = wanted.zip(tally.trace.as_ref());
        Self {
            name: limit.name().to_owned(),
            quota: limit.quota(tier),
            mode: limit.mode(),
            key: limit.key_template().parts().iter().map(ToString::to_string).collect(),
            judged: tally.judged,
            denied: tally.denied,
            unjudged: tally.unjudged,
            longest_wait: tally.waits.longest(),
            median_wait: tally.waits.median(),
            forever: tally.waits.forever,
            keys: tally.keys.len() as u64,
            most_denied: most.collect(),
            uncounted: tally.keys.others(),
            missing: tally.missing.iter().filter(|(_, missing)| *missing > 0).cloned().collect(),
            needed: needed.map(|(share, trace)| Needed::search(trace, limit, tier, share)),
            timeline: tally.timeline.clone(),
        }
    }
}

/// A part of a whole, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
