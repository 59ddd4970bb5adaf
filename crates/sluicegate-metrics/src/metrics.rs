//! Everything that is counted in one process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::counter::Counter,
    registry::Registry,
};
use sluicegate_policy::{Limit, Policy, Route, Tier};
use sluicegate_stores::StoreStatistics;

use crate::{
    Durations, Exemplar, Family, Format, GateMetrics, LimitTotals, RequestTotals, TokenTotals,
    exemplars::Exemplars,
    format::{prometheus, sorted},
    gate_metrics::LimitMetrics,
    requests::{ALLOW, AllRequests, DENY},
    stores::Stores,
    summary::Summary,
    tokens::AllTokens,
};

/// Everything that is counted in one process, or in one part of it that is reported on alone: the decisions of its
/// gates and the statistics of its stores. Clones share it.
///
/// Labels are the names of routes, tiers and limits, never a key, an address or a raw path. What was counted stays when
/// its gate is gone, because a counter does not go back, until a caller says what to [keep](Self::keep).
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    registry: Registry,
    requests: AllRequests,
    decisions: Family<DecisionLabels, Counter>,
    /// The series of all limits, by their names.
    limits: Mutex<BTreeMap<String, LimitMetrics>>,
    shadow_denials: Family<LimitLabels, Counter>,
    decision_duration: Durations,
    tokens: AllTokens,
    stores: Stores,
    exemplars: Exemplars,
}

impl Metrics {
    /// Metrics without a gate and a store.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with metrics of the way in: `own` registers them. `sluicegate_` is put before their names.
    #[must_use]
    pub fn with(own: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::with_prefix("sluicegate");
        let requests = AllRequests::default();
        registry.register("requests", "Requests by their decision", requests.family());
        own(&mut registry);
        let decisions = Family::default();
        registry.register("decisions", "Decisions of the enforced limits", decisions.clone());
        let shadow_denials = Family::default();
        registry.register(
            "shadow_denials",
            "Requests that a limit in shadow mode would have denied",
            shadow_denials.clone(),
        );
        let decision_duration = Durations::new(&DECISION_SECONDS);
        registry.register(
            "decision_duration_seconds",
            "Time to decide one request",
            decision_duration.clone(),
        );
        let tokens = AllTokens::default();
        tokens.register(&mut registry);
        let stores = Stores::default();
        registry.register_collector(Box::new(stores.clone()));
        let limits = Mutex::default();
        Self(Arc::new(Shared {
            registry,
            requests,
            decisions,
            limits,
            shadow_denials,
            decision_duration,
            tokens,
            stores,
            exemplars: Exemplars::default(),
        }))
    }

    /// Counts the decisions of a gate with this policy, from now on. Its routes, tiers and limits are written at once, at
    /// zero; those that other gates have under the same names are counted together.
    #[must_use]
    pub fn gate(&self, policy: &Policy) -> GateMetrics {
        let shared = &*self.0;
        let tiers = policy.tiers.as_slice();
        let route = |route: &Route| {
            let requests = |tier: &Tier| shared.requests.of(route.label(), tier.name());
            tiers.iter().map(requests).collect()
        };
        let limit = |limit: &Limit| {
            let limit = limit.name().to_owned();
            let decided = |decision| {
                let labels = DecisionLabels { limit: limit.clone(), decision };
                shared.decisions.series(&labels)
            };
            let (allowed, denied) = (decided(ALLOW), decided(DENY));
            let shadow_denied = shared.shadow_denials.series(&LimitLabels { limit: limit.clone() });
            let metrics = LimitMetrics { allowed, denied, shadow_denied };
            // Clones of one counter are one counter, so it does not matter which of them is known.
            shared.limits().insert(limit, metrics.clone());
            metrics
        };
        GateMetrics {
            routes: policy.routes.as_slice().iter().map(route).collect(),
            limits: policy.limits.iter().map(limit).collect(),
            decision_duration: shared.decision_duration.clone(),
            tokens: policy
                .routes
                .as_slice()
                .iter()
                .map(|route| route.meter().tokens().map(|_| shared.tokens.of(route.label())))
                .collect(),
        }
    }

    /// Forgets the series of all routes, tiers and limits but those of these policies: whoever has given out other gates of
    /// these metrics names their policies, too. What was counted stays in the totals of the summary alone; a series that
    /// comes back begins at zero, as after a restart.
    pub fn keep(&self, policies: &[&Policy]) {
        let shared = &*self.0;
        shared.requests.keep(|route, tier| {
            policies.iter().any(|policy| {
                policy.tiers.find(tier).is_some()
                    && policy.routes.as_slice().iter().any(|known| known.label() == route)
            })
        });
        shared.tokens.keep(|label| {
            let mut routes = policies.iter().flat_map(|policy| policy.routes.as_slice());
            routes.any(|route| route.label() == label && route.meter().tokens().is_some())
        });
        let is_gone = |limit: &String, _: &mut LimitMetrics| {
            policies.iter().all(|policy| policy.find_limit(limit).is_none())
        };
        for (limit, _) in shared.limits().extract_if(.., is_gone) {
            for decision in [ALLOW, DENY] {
                shared.decisions.remove(&DecisionLabels { limit: limit.clone(), decision });
            }
            shared.shadow_denials.remove(&LimitLabels { limit });
        }
    }

    /// Asks a store for its statistics whenever the metrics are written, until `statistics` gives none because the store is
    /// gone. What it had done when it was last asked stays counted.
    ///
    /// Several stores are summed, and up when all are. Watch a store once, however many gates have it, and through a
    /// [`Weak`](std::sync::Weak) if it should not live on for that. `statistics` must not call these metrics.
    pub fn watch_store(&self, statistics: impl Fn() -> Option<StoreStatistics> + Send + Sync + 'static) {
        self.0.stores.watch(Box::new(statistics));
    }

    /// Tells the requests of each route since the start, in the order of their names.
    pub fn tell_requests(&self, tell: impl FnMut(&str, RequestTotals)) {
        self.0.requests.totals(tell);
    }

    /// Tells the decisions of each limit since the start, in the order of their names.
    pub fn tell_limits(&self, mut tell: impl FnMut(&str, LimitTotals)) {
        self.0.limits().iter().for_each(|(limit, metrics)| tell(limit, metrics.totals()));
    }

    /// Tells the tokens of each route that meters them, in the order of their names.
    pub fn tell_tokens(&self, tell: impl FnMut(&str, TokenTotals)) {
        self.0.tokens.tell(tell);
    }

    /// Returns the statistics of all watched stores together.
    #[must_use]
    pub fn store(&self) -> StoreStatistics {
        self.0.stores.statistics()
    }

    /// Returns the addresses of servers of watched stores that do not answer, as far as is known.
    pub fn silent_servers(&self) -> Vec<String> {
        self.0.stores.silent_servers()
    }

    /// Puts an exemplar behind the bucket that its duration is counted in. `metric` is the whole name of a histogram of
    /// [`Durations`], and `labels` are those of its series, in their order. Only [OpenMetrics](Format::OpenMetrics) has exemplars.
    pub fn exemplify(
        &self,
        metric: &str,
        labels: &[(&str, &str)],
        durations: &Durations,
        exemplar: Exemplar,
    ) {
        self.0.exemplars.set(metric, durations.bound(exemplar.duration), labels, exemplar);
    }

    /// Writes everything as it is now: metrics in the order of their names, and their series in that of their labels.
    ///
    /// # Errors
    ///
    /// When a metric cannot be encoded, which is a defect.
    pub fn write(&self, format: Format) -> Result<String, fmt::Error> {
        match format {
            Format::Prometheus => Ok(sorted(&prometheus(&self.open_metrics()?))),
            Format::OpenMetrics => Ok(self.0.exemplars.write(sorted(&self.open_metrics()?))),
            Format::Summary => Ok(Summary::of(&self.0.requests).to_json()),
        }
    }

    fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Shared {
    fn limits(&self) -> MutexGuard<'_, BTreeMap<String, LimitMetrics>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct DecisionLabels {
    limit: String,
    decision: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct LimitLabels {
    limit: String,
}

/// From one limit in memory to a store that hardly answers.
static DECISION_SECONDS: [f64; 10] = [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
