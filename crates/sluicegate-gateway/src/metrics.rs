//! What the gateway counts. Every series is found once, at start: counting looks up no label.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use sluicegate_policy::{Answer, Denied, Gate, Limit, Pass, Route, RouteId, Tier, TierId};
use sluicegate_stores::AnyStore;

use crate::store_metrics::StoreMetrics;

/// The gateway's counters, by the policy's routes, tiers and limits. Labels are never a key, an address or a raw path.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    routes: Box<[RouteMetrics]>,
    limits: Box<[LimitMetrics]>,
    decision_duration: Histogram,
}

/// What is counted for one route.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    /// The route's name, a path template.
    pub(crate) name: String,
    tiers: Box<[Requests]>,
    /// From handing a request to the upstream to the last byte of its answer.
    pub(crate) upstream_duration: Histogram,
    /// Allowed requests that the upstream did not answer.
    pub(crate) upstream_failures: Counter,
    /// Requests that have arrived and whose answer has not been sent.
    pub(crate) in_flight: Gauge,
}

/// Requests of one route and tier, by what became of them.
#[derive(Debug)]
struct Requests {
    /// Passed to the upstream.
    allowed: Counter,
    /// Answered 429.
    denied: Counter,
    /// Answered anything else by the gateway itself: a bad request, an unknown key, an upstream that is down.
    refused: Counter,
}

/// What is counted for one limit.
#[derive(Debug)]
struct LimitMetrics {
    /// Requests charged.
    allowed: Counter,
    /// Requests denied because this limit was spent.
    denied: Counter,
    /// Requests that this limit, in shadow mode, would have denied.
    shadow_denied: Counter,
}

impl Metrics {
    /// Metrics for the policy's routes, tiers and limits. All series exist from the start, at zero.
    pub(crate) fn new(gate: &Arc<Gate<AnyStore>>) -> Metrics {
        let policy = gate.policy();
        let mut registry = Registry::with_prefix("sluicegate");
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("requests", "Requests by what the gateway decided", requests.clone());
        let in_flight = Family::<RouteLabels, Gauge>::default();
        registry.register("in_flight_requests", "Requests that are being served", in_flight.clone());
        let upstream_duration =
            Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(UPSTREAM_SECONDS));
        registry.register(
            "upstream_duration_seconds",
            "Time from sending a request to the upstream to the last byte of its answer",
            upstream_duration.clone(),
        );
        let upstream_failures = Family::<RouteLabels, Counter>::default();
        registry.register(
            "upstream_failures",
            "Allowed requests that the upstream did not answer",
            upstream_failures.clone(),
        );
        let decisions = Family::<DecisionLabels, Counter>::default();
        registry.register("decisions", "Decisions of the enforced limits", decisions.clone());
        let shadow_denials = Family::<LimitLabels, Counter>::default();
        registry.register(
            "shadow_denials",
            "Requests that a limit in shadow mode would have denied",
            shadow_denials.clone(),
        );
        registry.register_collector(Box::new(StoreMetrics::of(gate)));
        let decision_duration = Histogram::new(DECISION_SECONDS);
        registry.register(
            "decision_duration_seconds",
            "Time to decide one request",
            decision_duration.clone(),
        );

        let route = |route: &Route| {
            let name = route.label();
            let labels = RouteLabels { route: name.to_owned() };
            let tier = |tier: &Tier| {
                let counter = |decision| {
                    let (route, tier) = (name.to_owned(), tier.name().to_owned());
                    requests.get_or_create_owned(&RequestLabels { route, tier, decision })
                };
                Requests { allowed: counter(ALLOW), denied: counter(DENY), refused: counter(REFUSE) }
            };
            RouteMetrics {
                name: name.to_owned(),
                tiers: policy.tiers.as_slice().iter().map(tier).collect(),
                upstream_duration: upstream_duration.get_or_create_owned(&labels),
                upstream_failures: upstream_failures.get_or_create_owned(&labels),
                in_flight: in_flight.get_or_create_owned(&labels),
            }
        };
        let limit = |limit: &Limit| {
            let name = || limit.name().to_owned();
            let decided =
                |decision| decisions.get_or_create_owned(&DecisionLabels { limit: name(), decision });
            LimitMetrics {
                allowed: decided(ALLOW),
                denied: decided(DENY),
                shadow_denied: shadow_denials.get_or_create_owned(&LimitLabels { limit: name() }),
            }
        };
        let routes = policy.routes.as_slice().iter().map(route).collect();
        let limits = policy.limits.iter().map(limit).collect();
        Metrics { registry, routes, limits, decision_duration }
    }

    /// What is counted for a route of the policy.
    pub(crate) fn route(&self, id: RouteId) -> &RouteMetrics {
        &self.routes[id.index()]
    }

    /// All routes.
    pub(crate) fn routes(&self) -> &[RouteMetrics] {
        &self.routes
    }

    /// Counts a request that may pass.
    pub(crate) fn passed(&self, pass: &Pass<AnyStore>, took: Duration) {
        self.decision_duration.observe(took.as_secs_f64());
        self.route(pass.route()).tier(pass.tier()).allowed.inc();
        for id in pass.limits() {
            self.limits[id.index()].allowed.inc();
        }
        for id in pass.denied_in_shadow() {
            self.limits[id.index()].shadow_denied.inc();
        }
    }

    /// Counts a request that a limit denied.
    pub(crate) fn denied(&self, answer: &Answer, denied: &Denied) {
        self.route(answer.route).tier(answer.tier).denied.inc();
        for id in &denied.limits {
            self.limits[id.index()].denied.inc();
        }
    }

    /// Counts a request that is not served for another reason.
    pub(crate) fn refused(&self, answer: &Answer) {
        self.route(answer.route).tier(answer.tier).refused.inc();
    }

    /// Writes everything in the OpenMetrics text format.
    pub(crate) fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl RouteMetrics {
    /// The requests of one tier.
    fn tier(&self, id: TierId) -> &Requests {
        &self.tiers[id.index()]
    }

    /// All requests, and those answered 429.
    pub(crate) fn totals(&self) -> (u64, u64) {
        self.tiers.iter().fold((0, 0), |(total, limited), requests| {
            let denied = requests.denied.get();
            (total + requests.allowed.get() + denied + requests.refused.get(), limited + denied)
        })
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    route: String,
    tier: String,
    decision: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    limit: String,
    decision: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabels {
    limit: String,
}

const ALLOW: &str = "allow";
const DENY: &str = "deny";
const REFUSE: &str = "refuse";

/// From a cached answer to a long completion.
const UPSTREAM_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// From one limit in memory to a store that hardly answers.
const DECISION_SECONDS: [f64; 10] = [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
