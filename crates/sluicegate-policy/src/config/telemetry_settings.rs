//! The settings of telemetry, resolved.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::Upstream;

/// The settings of the traces and metrics that are sent to a collector.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetrySettings {
    /// The collector.
    pub endpoint: Upstream,
    /// Headers of each request to it. The values are marked as sensitive, so that they are not shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of this service there.
    pub service_name: String,
    /// Sends traces.
    pub traces: bool,
    /// The share of traces that begin here and are sent, 0 to 1.
    pub sampling: f64,
    /// Sends metrics.
    pub metrics: bool,
    /// The time from one sending of the metrics to the next.
    pub metrics_interval: Duration,
}

impl TelemetrySettings {
    /// Everything to this collector, and the rest by default.
    #[must_use]
    pub fn new(endpoint: Upstream) -> Self {
        Self {
            endpoint,
            headers: Vec::new(),
            service_name: "sluicegate".to_owned(),
            traces: true,
            sampling: 1.0,
            metrics: true,
            metrics_interval: Duration::from_secs(60),
        }
    }
}
