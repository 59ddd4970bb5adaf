//! The state of a gateway, as it is shown.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    exposition::{Exposition, Labels},
    increase::{Increase, have},
    snapshot::{DeniedKey, Keys, Snapshot},
};

/// The state of a gateway. Rates are per second since the snapshot before, and `None` if there was none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) allowed: Option<f64>,
    pub(crate) denied: Option<f64>,
    pub(crate) refused: Option<f64>,
    /// Requests since the gateway started.
    pub(crate) requests: f64,
    pub(crate) in_flight: f64,
    pub(crate) connections: f64,
    pub(crate) decision: Quantiles,
    /// The share of every limit that applies while an upstream warms up; 1 otherwise.
    pub(crate) warmup: f64,
    /// `false` if the last reload failed.
    pub(crate) policy_is_current: bool,
    pub(crate) store: Store,
    pub(crate) routes: Vec<Route>,
    pub(crate) limits: Vec<Limit>,
    /// `Err` with the reason that they are not told.
    pub(crate) keys: Result<Vec<Key>, String>,
    pub(crate) upstreams: Vec<Upstream>,
}

/// The median of durations, and what 99 % of them do not exceed, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quantiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Store {
    pub(crate) is_up: bool,
    /// Servers of a remote store that do not respond.
    pub(crate) silent: Vec<String>,
    pub(crate) live_keys: f64,
    pub(crate) evictions: Option<f64>,
    pub(crate) errors: Option<f64>,
    /// Decisions without the store, by each limit's outage mode.
    pub(crate) outage_decisions: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) requests: Option<f64>,
    pub(crate) denied: Option<f64>,
    pub(crate) in_flight: f64,
    pub(crate) upstream: Quantiles,
    /// Requests that got a 502 or 504.
    pub(crate) failed: Option<f64>,
    /// Requests since the gateway started.
    pub(crate) total: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) allowed: Option<f64>,
    pub(crate) denied: Option<f64>,
    /// Requests that it would have denied if it were not in shadow mode.
    pub(crate) shadow: Option<f64>,
    /// Denials since the gateway started.
    pub(crate) total: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) limit: String,
    pub(crate) denied: Option<f64>,
    /// Denials since the gateway listed it.
    pub(crate) total: f64,
    /// The time since the last denial.
    pub(crate) idle: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) is_up: bool,
    pub(crate) in_flight: f64,
    pub(crate) failed: Option<f64>,
    /// Failed attempts since the gateway started.
    pub(crate) total: f64,
}

impl Model {
    /// The state at a snapshot, with rates since the one before.
    pub(crate) fn of(before: Option<&Snapshot>, now: &Snapshot) -> Self {
        let reading = Reading {
            now: &now.metrics,
            increase: before.map(|before| Increase {
                before: &before.metrics,
                now: &now.metrics,
                elapsed: now.taken.saturating_duration_since(before.taken),
            }),
        };
        let decided = |decision| reading.rate(REQUESTS, &[("decision", decision)]);
        Self {
            allowed: decided("allow"),
            denied: decided("deny"),
            refused: decided("refuse"),
            requests: reading.sum(REQUESTS, &[]),
            in_flight: reading.sum(IN_FLIGHT, &[]),
            connections: reading.sum("sluicegate_connections", &[]),
            decision: reading.quantiles("sluicegate_decision_duration_seconds", &[]),
            warmup: now.metrics.total("sluicegate_warmup_scale").unwrap_or(1.0),
            policy_is_current: now.metrics.total("sluicegate_config_last_reload_successful") != Some(0.0),
            store: reading.store(),
            routes: reading.names(REQUESTS, "route").map(|name| reading.route(name)).collect(),
            limits: reading.names(DECISIONS, "limit").map(|name| reading.limit(name)).collect(),
            keys: keys(before, now),
            upstreams: reading.names(HEALTHY, "upstream").map(|name| reading.upstream(name)).collect(),
        }
    }
}

/// Reads the state of each thing from the metrics.
struct Reading<'a> {
    now: &'a Exposition,
    increase: Option<Increase<'a>>,
}

impl Reading<'_> {
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.increase.map(|increase| increase.rate(name, labels))
    }

    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.now.series(name).filter(|(series, _)| have(series, labels));
        series.fold(0.0, |sum, (_, value)| sum + value)
    }

    fn quantiles(&self, name: &str, labels: &[(&str, &str)]) -> Quantiles {
        let observed = self.increase.map(|increase| increase.observed(name, labels)).unwrap_or_default();
        Quantiles { p50: observed.quantile(0.5), p99: observed.quantile(0.99) }
    }

    /// The values of a label in a metric, each once.
    fn names(&self, metric: &str, label: &str) -> impl Iterator<Item = &str> {
        let names: BTreeSet<_> =
            self.now.series(metric).filter_map(|(series, _)| series.get(label)).collect();
        names.into_iter().map(String::as_str)
    }

    fn store(&self) -> Store {
        let is_silent =
            |(series, up): (&Labels, f64)| (up == 0.0).then(|| series.get("server").cloned()).flatten();
        Store {
            is_up: self.now.total("sluicegate_store_up") != Some(0.0),
            silent: self.now.series("sluicegate_store_server_up").filter_map(is_silent).collect(),
            live_keys: self.sum("sluicegate_live_keys", &[]),
            evictions: self.rate("sluicegate_evictions_total", &[]),
            errors: self.rate("sluicegate_store_errors_total", &[]),
            outage_decisions: self.rate("sluicegate_outage_decisions_total", &[]),
        }
    }

    fn route(&self, name: &str) -> Route {
        let of = [("route", name)];
        Route {
            name: name.to_owned(),
            requests: self.rate(REQUESTS, &of),
            denied: self.rate(REQUESTS, &[("route", name), ("decision", "deny")]),
            in_flight: self.sum(IN_FLIGHT, &of),
            upstream: self.quantiles("sluicegate_upstream_duration_seconds", &of),
            failed: self.rate("sluicegate_upstream_failures_total", &of),
            total: self.sum(REQUESTS, &of),
        }
    }

    fn limit(&self, name: &str) -> Limit {
        let decided = |decision| [("limit", name), ("decision", decision)];
        Limit {
            name: name.to_owned(),
            allowed: self.rate(DECISIONS, &decided("allow")),
            denied: self.rate(DECISIONS, &decided("deny")),
            shadow: self.rate("sluicegate_shadow_denials_total", &[("limit", name)]),
            total: self.sum(DECISIONS, &decided("deny")),
        }
    }

    fn upstream(&self, name: &str) -> Upstream {
        let of = [("upstream", name)];
        Upstream {
            name: name.to_owned(),
            is_up: self.sum(HEALTHY, &of) > 0.0,
            in_flight: self.sum("sluicegate_upstream_in_flight", &of),
            failed: self.rate("sluicegate_upstream_failed_attempts_total", &of),
            total: self.sum("sluicegate_upstream_failed_attempts_total", &of),
        }
    }
}

fn keys(before: Option<&Snapshot>, now: &Snapshot) -> Result<Vec<Key>, String> {
    let listed = match &now.keys {
        Keys::Known(keys) => keys,
        Keys::Hidden(reason) => return Err(reason.clone()),
    };
    let key = |listed: &DeniedKey| Key {
        key: listed.key.clone(),
        limit: listed.limit.clone(),
        denied: before.and_then(|before| denials_per_second(listed, before, now)),
        total: rough(listed.denials),
        idle: Duration::try_from_secs_f64(listed.idle).unwrap_or_default(),
    };
    Ok(listed.iter().map(key).collect())
}

/// Returns the growth of a key's denials. One that was not listed before has all of them since then.
fn denials_per_second(listed: &DeniedKey, before: &Snapshot, now: &Snapshot) -> Option<f64> {
    let Keys::Known(known) = &before.keys else { return None };
    let known = known.iter().find(|known| known.key == listed.key && known.limit == listed.limit);
    let before_it = known.map(|known| known.denials).filter(|denials| *denials <= listed.denials);
    let seconds = now.taken.saturating_duration_since(before.taken).as_secs_f64();
    (seconds > 0.0).then(|| rough(listed.denials - before_it.unwrap_or_default()) / seconds)
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
fn rough(count: u64) -> f64 {
    count as f64
}

const REQUESTS: &str = "sluicegate_requests_total";
const DECISIONS: &str = "sluicegate_decisions_total";
const IN_FLIGHT: &str = "sluicegate_in_flight_requests";
const HEALTHY: &str = "sluicegate_upstream_healthy";
