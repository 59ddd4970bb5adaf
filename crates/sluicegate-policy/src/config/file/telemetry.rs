//! `[telemetry]`: traces and metrics by OTLP.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Number, Period, Placed};
use crate::Hidden;

/// `[telemetry]`: sends the gateway's traces and metrics to an OpenTelemetry collector, by OTLP over HTTP. Off without it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Telemetry")]
pub struct TelemetryTable {
    /// The collector's URL, to which `/v1/traces` and `/v1/metrics` are added.
    #[schemars(extend("default" = "http://127.0.0.1:4318"))]
    pub endpoint: Option<Placed<String>>,
    /// Headers of each request to it: `name=value,name=value`. A value may be percent-encoded.
    pub headers: Option<Placed<Hidden>>,
    /// The name of this service there.
    #[schemars(extend("default" = "sluicegate"))]
    pub service_name: Option<Placed<String>>,
    /// Sends traces.
    #[schemars(extend("default" = true))]
    pub traces: Option<bool>,
    /// The share of traces that begin at the gateway and are sent, 0 to 1. Callers decide on traces that begin with them.
    #[schemars(range(min = 0, max = 1), extend("default" = 1.0))]
    pub sampling: Option<Placed<Number>>,
    /// Sends metrics.
    #[schemars(extend("default" = true))]
    pub metrics: Option<bool>,
    /// The time from one sending of the metrics to the next, 1s or more.
    #[schemars(extend("default" = "60s"))]
    pub metrics_interval: Option<Placed<Period>>,
}
