//! Metrics of the gateway alone; every way in has those of decisions. Every series is found once, at the
//! start or a reload.

mod decision_lines;
mod sent_spans;
pub(crate) mod throttles;
mod upstreams;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::Counter,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};
use sluicegate_http::decision_log::DecisionSink;
use sluicegate_metrics::{Durations, Exemplar, Family, GateMetrics};
use sluicegate_policy::{Gate, Route, RouteId, Scale};
use sluicegate_stores::AnyStore;
use sluicegate_telemetry::SpanQueue;

use self::{
    decision_lines::DecisionLines, sent_spans::SentSpans, throttles::Throttles, upstreams::Upstreams,
};
use crate::{client::connections::Connections, request::upstream_refusal::REFUSALS, upstream::Health};

/// The gateway's counters, by the policy's routes, tiers and limits.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// All that is written.
    pub(crate) all: sluicegate_metrics::Metrics,
    pub(crate) reloads: ReloadMetrics,
    pub(crate) connections: Connections,
    pub(crate) throttles: Throttles,
    families: Families,
    routes: Box<[RouteMetrics]>,
    gate_at_work: Arc<Gate<AnyStore>>,
    at_work: AtWork,
}

/// The gates that a request may still count for: the newest, and others that requests began with which have not ended.
type AtWork = Arc<Mutex<Vec<Arc<Gate<AnyStore>>>>>;

/// The gateway's own metrics of all routes. Clones share them.
#[derive(Clone, Debug)]
struct Families {
    in_flight: Family<RouteLabels, Gauge>,
    upstream_duration: Family<RouteLabels, Durations>,
    upstream_failures: Family<RouteLabels, Counter>,
    upstream_refusals: Family<RefusalLabels, Counter>,
    abandoned: Family<RouteLabels, Gauge>,
    input_counts: Family<InputCountLabels, Counter>,
    upstreams: Upstreams,
}

/// Metrics of reloads.
#[derive(Clone, Debug)]
pub(crate) struct ReloadMetrics {
    done: Counter,
    failed: Counter,
    /// 1 unless the last one failed.
    last_successful: Gauge,
}

/// Metrics of one route's requests around their decision.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    /// The route's name, a path template.
    pub(crate) name: String,
    /// From handing a request to the upstream to the last byte of its answer.
    pub(crate) upstream_duration: Durations,
    /// Allowed requests without a response from the upstream.
    pub(crate) upstream_failures: Counter,
    /// Allowed requests that the upstream refused, by their places in [`REFUSALS`].
    pub(crate) upstream_refusals: [Counter; REFUSALS.len()],
    /// Requests whose clients have left and whose upstream has not ended its answer.
    pub(crate) abandoned: Gauge,
    /// Requests that have arrived and whose answer has not been sent.
    pub(crate) in_flight: Gauge,
    /// Of a route whose input is counted: estimated after all, and counted.
    input_counts: Option<[Counter; INPUT_COUNTS.len()]>,
}

impl Metrics {
    /// Metrics for the policy's routes, tiers and limits, its store and upstreams. All series exist from the start, at zero.
    pub(crate) fn new(
        gate: &Arc<Gate<AnyStore>>,
        healths: &Arc<[Arc<Health>]>,
        decisions: &Arc<DecisionSink>,
        spans: &Arc<SpanQueue>,
    ) -> Self {
        let families = Families::new(healths);
        let results = Family::<ResultLabels, Counter>::default();
        let result = |result| results.series(&ResultLabels { result });
        let reloads =
            ReloadMetrics { done: result("ok"), failed: result("error"), last_successful: Gauge::default() };
        reloads.last_successful.set(1);
        let connections = Connections::new();
        let throttles = Throttles::new();
        let at_work = AtWork::default();
        let warmup = WarmupScale(Arc::clone(&at_work));
        let all = sluicegate_metrics::Metrics::with(|registry| {
            families.register(registry);
            connections.register(registry);
            throttles.register(registry);
            registry.register("config_reloads", "Reloads of the policy by their result", results.clone());
            registry.register(
                "config_last_reload_successful",
                "1 if the policy read last is active, otherwise 0",
                reloads.last_successful.clone(),
            );
            registry.register_collector(Box::new(warmup));
            registry.register_collector(Box::new(DecisionLines(Arc::clone(decisions))));
            registry.register_collector(Box::new(SentSpans(Arc::clone(spans))));
        });
        let store = Arc::clone(gate.store());
        all.watch_store(move || Some(store.statistics()));
        Self::of(gate, at_work, all, families, reloads, connections, throttles)
    }

    /// The same counters for a gate of another policy. Those of routes, tiers and limits that both share
    /// continue. The others are dropped when the last request that counts for them has ended.
    pub(crate) fn with_gate(&self, gate: &Arc<Gate<AnyStore>>, healths: &Arc<[Arc<Health>]>) -> Self {
        self.families.upstreams.replace(healths);
        Self::of(
            gate,
            Arc::clone(&self.at_work),
            self.all.clone(),
            self.families.clone(),
            self.reloads.clone(),
            self.connections.clone(),
            self.throttles.clone(),
        )
    }

    fn of(
        gate: &Arc<Gate<AnyStore>>,
        at_work: AtWork,
        all: sluicegate_metrics::Metrics,
        families: Families,
        reloads: ReloadMetrics,
        connections: Connections,
        throttles: Throttles,
    ) -> Self {
        // Before its series are made, so that they are not removed at the same time.
        at_work.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(gate));
        let policy = gate.policy();
        let routes = policy.routes.as_slice().iter().map(|route| families.route(route)).collect();
        let gate_at_work = Arc::clone(gate);
        Self { all, reloads, connections, throttles, families, routes, gate_at_work, at_work }
    }

    /// Puts an exemplar behind the time at the upstream of a route's request.
    pub(crate) fn exemplify(&self, route: &RouteMetrics, exemplar: Exemplar) {
        let labels = [("route", route.name.as_str())];
        let metric = "sluicegate_upstream_duration_seconds";
        self.all.exemplify(metric, &labels, &route.upstream_duration, exemplar);
    }

    /// The counters of decisions.
    pub(crate) fn decisions(&self) -> GateMetrics {
        self.all.gate(self.gate_at_work.policy())
    }

    /// Returns the number of requests being served, of the policy's routes.
    pub(crate) fn in_flight(&self) -> i64 {
        self.routes.iter().map(|route| route.in_flight.get()).sum()
    }

    /// Returns the share of every limit that applies now, which is below 1 while the upstream warms up.
    pub(crate) fn warmup(&self) -> f64 {
        share(self.gate_at_work.warmup_scale())
    }

    /// The metrics of a route of the policy.
    pub(crate) fn route(&self, id: RouteId) -> &RouteMetrics {
        &self.routes[id.index()]
    }
}

impl Drop for Metrics {
    /// The last request of this policy has ended.
    fn drop(&mut self) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work.retain(|gate| !Arc::ptr_eq(gate, &self.gate_at_work));
        let policies: Vec<_> = at_work.iter().map(|gate| gate.policy()).collect();
        self.all.keep(&policies);
        let stays = |route: &RouteMetrics| {
            let mut labels = policies.iter().flat_map(|policy| policy.routes.as_slice()).map(Route::label);
            labels.any(|label| label == route.name)
        };
        self.routes.iter().filter(|route| !stays(route)).for_each(|route| self.families.forget(&route.name));
    }
}

impl Families {
    fn new(healths: &Arc<[Arc<Health>]>) -> Self {
        Self {
            upstreams: Upstreams(Arc::new(RwLock::new(Arc::clone(healths)))),
            in_flight: Family::default(),
            upstream_duration: Family::new(|| Durations::new(&UPSTREAM_SECONDS)),
            upstream_failures: Family::default(),
            upstream_refusals: Family::default(),
            abandoned: Family::default(),
            input_counts: Family::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("in_flight_requests", "Requests being served", self.in_flight.clone());
        registry.register(
            "upstream_duration_seconds",
            "Time from sending a request to the upstream to the last byte of its response",
            self.upstream_duration.clone(),
        );
        registry.register(
            "upstream_failures",
            "Allowed requests without a response from the upstream",
            self.upstream_failures.clone(),
        );
        registry.register(
            "upstream_refusals",
            "Allowed requests that the upstream itself refused, by the status of its response",
            self.upstream_refusals.clone(),
        );
        registry.register(
            "abandoned_requests",
            "Requests whose clients have left, held until the upstream's response ends",
            self.abandoned.clone(),
        );
        registry.register(
            "input_counts",
            "Requests whose input was to be counted, and those that were estimated after all",
            self.input_counts.clone(),
        );
        registry.register_collector(Box::new(self.upstreams.clone()));
    }

    fn forget(&self, route: &str) {
        let labels = RouteLabels { route: route.to_owned() };
        self.in_flight.remove(&labels);
        self.upstream_duration.remove(&labels);
        self.upstream_failures.remove(&labels);
        self.abandoned.remove(&labels);
        for result in INPUT_COUNTS {
            self.input_counts.remove(&InputCountLabels { route: route.to_owned(), result });
        }
        for status in REFUSALS {
            self.upstream_refusals.remove(&RefusalLabels { route: route.to_owned(), status });
        }
    }

    fn route(&self, route: &Route) -> RouteMetrics {
        let name = route.label().to_owned();
        let labels = RouteLabels { route: name.clone() };
        RouteMetrics {
            name,
            upstream_duration: self.upstream_duration.series(&labels),
            upstream_failures: self.upstream_failures.series(&labels),
            upstream_refusals: REFUSALS.map(|status| {
                self.upstream_refusals.series(&RefusalLabels { route: labels.route.clone(), status })
            }),
            abandoned: self.abandoned.series(&labels),
            in_flight: self.in_flight.series(&labels),
            input_counts: route.meter().counts_input().then(|| {
                INPUT_COUNTS.map(|result| {
                    self.input_counts.series(&InputCountLabels { route: labels.route.clone(), result })
                })
            }),
        }
    }
}

impl RouteMetrics {
    /// Counts a request whose input was to be counted.
    pub(crate) fn count_input(&self, is_counted: bool) {
        if let Some(counts) = &self.input_counts {
            counts[usize::from(is_counted)].inc();
        }
    }
}

impl ReloadMetrics {
    /// The number of reloads, and of those that failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.done.get(), self.failed.get())
    }

    /// Returns `true` unless the last reload failed.
    pub(crate) fn is_current(&self) -> bool {
        self.last_successful.get() == 1
    }

    /// Counts a reload.
    pub(crate) fn note(&self, is_done: bool) {
        if is_done {
            self.done.inc()
        } else {
            self.failed.inc()
        };
        self.last_successful.set(i64::from(is_done));
    }
}

/// The scale of limits by the newest gate, read when the metrics are written.
#[derive(Debug)]
struct WarmupScale(AtWork);

impl Collector for WarmupScale {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let at_work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scale = at_work.last().map_or(Scale::WHOLE, |gate| gate.warmup_scale());
        drop(at_work);
        let gauge = ConstGauge::new(share(scale));
        let help = "Scale of every limit: below 1 while the upstream warms up";
        gauge.encode(encoder.encode_descriptor("warmup_scale", help, None, MetricType::Gauge)?)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a scale is below 2^53 millionths")]
fn share(scale: Scale) -> f64 {
    scale.millionths() as f64 / Scale::WHOLE.millionths() as f64
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct RefusalLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct InputCountLabels {
    route: String,
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct ResultLabels {
    result: &'static str,
}

/// Results of having input counted.
const INPUT_COUNTS: [&str; 2] = ["estimated", "counted"];

/// From a cached answer to a long completion.
static UPSTREAM_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];
