//! What the gateway counts, beside the decisions that every way in counts. Every series is found once, at start.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
};
use sluicegate_metrics::{Durations, GateMetrics};
use sluicegate_policy::{Gate, Route, RouteId};
use sluicegate_stores::AnyStore;

use crate::upstream::Health;

/// The gateway's counters, by the policy's routes, tiers and limits.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// All that is written.
    pub(crate) all: sluicegate_metrics::Metrics,
    /// The decisions of the one gate.
    pub(crate) gate: GateMetrics,
    routes: Box<[RouteMetrics]>,
}

/// What becomes of one route's requests around their decision.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    /// The route's name, a path template.
    pub(crate) name: String,
    /// From handing a request to the upstream to the last byte of its answer.
    pub(crate) upstream_duration: Durations,
    /// Allowed requests that the upstream did not answer.
    pub(crate) upstream_failures: Counter,
    /// Requests that have arrived and whose answer has not been sent.
    pub(crate) in_flight: Gauge,
}

impl Metrics {
    /// Metrics for the policy's routes, tiers and limits, its store and upstreams. All series exist from the start, at zero.
    pub(crate) fn new(gate: &Arc<Gate<AnyStore>>, healths: &Arc<[Arc<Health>]>) -> Metrics {
        let in_flight = Family::<RouteLabels, Gauge>::default();
        let upstream_duration =
            Family::<RouteLabels, Durations>::new_with_constructor(|| Durations::new(&UPSTREAM_SECONDS));
        let upstream_failures = Family::<RouteLabels, Counter>::default();
        let all = sluicegate_metrics::Metrics::with(|registry| {
            registry.register("in_flight_requests", "Requests that are being served", in_flight.clone());
            registry.register(
                "upstream_duration_seconds",
                "Time from sending a request to the upstream to the last byte of its answer",
                upstream_duration.clone(),
            );
            registry.register(
                "upstream_failures",
                "Allowed requests that the upstream did not answer",
                upstream_failures.clone(),
            );
            registry.register_collector(Box::new(Upstreams(Arc::clone(healths))));
        });
        let watched = Arc::clone(gate);
        all.watch_store(move || Some(watched.store().figures()));
        let route = |route: &Route| {
            let name = route.label().to_owned();
            let labels = RouteLabels { route: name.clone() };
            RouteMetrics {
                name,
                upstream_duration: upstream_duration.get_or_create_owned(&labels),
                upstream_failures: upstream_failures.get_or_create_owned(&labels),
                in_flight: in_flight.get_or_create_owned(&labels),
            }
        };
        let routes = gate.policy().routes.as_slice().iter().map(route).collect();
        Metrics { gate: all.gate(gate.policy()), all, routes }
    }

    /// What is counted for a route of the policy.
    pub(crate) fn route(&self, id: RouteId) -> &RouteMetrics {
        &self.routes[id.index()]
    }
}

/// What is known of the upstreams, asked when the metrics are written.
#[derive(Debug)]
struct Upstreams(Arc<[Arc<Health>]>);

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, value) in UPSTREAM_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for health in &*self.0 {
                let gauge = ConstGauge::new(i64::try_from(value(health)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("upstream", health.name())])?)?;
            }
        }
        let help = "Requests that each upstream did not take or did not answer, whoever answered them then";
        let name = "upstream_failed_attempts";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for health in &*self.0 {
            let counter = ConstCounter::new(health.failures());
            counter.encode(family.encode_family(&[("upstream", health.name())])?)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RouteLabels {
    route: String,
}

/// From a cached answer to a long completion.
static UPSTREAM_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// A number that is known of an upstream.
type Figure = fn(&Health) -> u64;

/// Each with its name and help.
const UPSTREAM_GAUGES: [(&str, &str, Figure); 2] = [
    ("upstream_healthy", "Whether each upstream gets requests: 1, or 0 while it is out or down", |health| {
        u64::from(health.is_well())
    }),
    ("upstream_in_flight", "Requests at each upstream", Health::in_flight),
];
