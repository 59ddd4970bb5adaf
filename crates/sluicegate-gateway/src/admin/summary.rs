//! The summary: totals by route, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::Metrics;

/// Requests since the start, and those of them answered 429.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    total_requests: u64,
    limited_requests: u64,
    endpoints: BTreeMap<&'a str, Endpoint>,
}

#[derive(Debug, Default, Serialize)]
struct Endpoint {
    total: u64,
    limited: u64,
}

impl<'a> Summary<'a> {
    /// The totals now. Routes that share a path are one endpoint.
    pub(super) fn of(metrics: &'a Metrics) -> Summary<'a> {
        let mut summary = Summary { total_requests: 0, limited_requests: 0, endpoints: BTreeMap::new() };
        for route in metrics.routes() {
            let (total, limited) = route.totals();
            summary.total_requests += total;
            summary.limited_requests += limited;
            let endpoint = summary.endpoints.entry(&route.name).or_default();
            endpoint.total += total;
            endpoint.limited += limited;
        }
        summary
    }

    /// The summary as JSON text.
    pub(super) fn to_json(&self) -> String {
        // Only numbers and strings: nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}
