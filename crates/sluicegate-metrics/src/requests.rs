//! Requests by what became of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

/// The requests of every route and tier that any gate has had so far.
#[derive(Debug, Default)]
pub(crate) struct AllRequests {
    family: Family<RequestLabels, Counter>,
    /// The same series by route and tier, because a family cannot be walked through.
    known: Mutex<BTreeMap<(String, String), Requests>>,
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
            self.family.get_or_create_owned(&RequestLabels { route, tier, decision })
        };
        let requests = Requests { allowed: counter(ALLOW), denied: counter(DENY), refused: counter(REFUSE) };
        // Clones of one counter are one counter, so it does not matter which of them is known.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((route.to_owned(), tier.to_owned()), requests.clone());
        requests
    }

    /// Tells of each route and tier how many requests there were, and how many of them were answered 429.
    pub(crate) fn totals(&self, mut tell: impl FnMut(&str, u64, u64)) {
        for ((route, _), requests) in &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            let denied = requests.denied.get();
            tell(route, requests.allowed.get() + denied + requests.refused.get(), denied);
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct RequestLabels {
    route: String,
    tier: String,
    decision: &'static str,
}

pub(crate) const ALLOW: &str = "allow";
pub(crate) const DENY: &str = "deny";
const REFUSE: &str = "refuse";
