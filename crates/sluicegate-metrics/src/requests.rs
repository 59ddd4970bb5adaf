//! Requests by what became of them.

use std::{
    collections::BTreeMap,
    ops::Add,
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{encoding::EncodeLabelSet, metrics::counter::Counter};

use crate::{Family, RequestTotals};

/// The requests of every route and tier that any gate has had so far.
#[derive(Debug, Default)]
pub(crate) struct AllRequests {
    family: Family<RequestLabels, Counter>,
    /// The same series by route and tier, to be added up.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    requests: BTreeMap<(String, String), Requests>,
    forgotten: RequestTotals,
}

/// Requests of one route and tier.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    /// Passed to what serves them.
    pub(crate) allowed: Counter,
    /// Answered 429.
    pub(crate) denied: Counter,
    /// Answered anything else before that: a bad request, an unknown key, a store that does not answer.
    pub(crate) refused: Counter,
}

impl AllRequests {
    /// The series as they are written.
    pub(crate) fn family(&self) -> Family<RequestLabels, Counter> {
        self.family.clone()
    }

    /// Those of one route and tier.
    pub(crate) fn of(&self, route: &str, tier: &str) -> Requests {
        let counter = |decision| {
            let (route, tier) = (route.to_owned(), tier.to_owned());
            self.family.series(&RequestLabels { route, tier, decision })
        };
        let requests = Requests { allowed: counter(ALLOW), denied: counter(DENY), refused: counter(REFUSE) };
        // Clones of one counter are one counter, so it does not matter which of them is known.
        self.known().requests.insert((route.to_owned(), tier.to_owned()), requests.clone());
        requests
    }

    /// Forgets the series of all routes and tiers but these. Their counts stay in the total.
    pub(crate) fn keep(&self, keeps: impl Fn(&str, &str) -> bool) {
        let mut known = self.known();
        let Known { requests, forgotten } = &mut *known;
        requests.retain(|(route, tier), requests| {
            if keeps(route, tier) {
                return true;
            }
            *forgotten += requests.totals();
            for decision in [ALLOW, DENY, REFUSE] {
                let (route, tier) = (route.clone(), tier.clone());
                self.family.remove(&RequestLabels { route, tier, decision });
            }
            false
        });
    }

    /// Tells the totals of each route, in the order of their names, and gives those of routes that were forgotten.
    pub(crate) fn totals(&self, mut tell: impl FnMut(&str, RequestTotals)) -> RequestTotals {
        let known = self.known();
        let tiers: Vec<_> = known.requests.iter().map(|((route, _), requests)| (route, requests)).collect();
        for route in tiers.chunk_by(|(one, _), (other, _)| one == other) {
            let totals = route.iter().map(|(_, requests)| requests.totals());
            tell(route[0].0, totals.fold(RequestTotals::default(), Add::add));
        }
        known.forgotten
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn totals(&self) -> RequestTotals {
        RequestTotals { allowed: self.allowed.get(), denied: self.denied.get(), refused: self.refused.get() }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RequestLabels {
    route: String,
    tier: String,
    decision: &'static str,
}

pub(crate) const ALLOW: &str = "allow";
pub(crate) const DENY: &str = "deny";
const REFUSE: &str = "refuse";
