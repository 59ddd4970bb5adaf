//! The summary: totals by route, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{RequestTotals, requests::AllRequests};

/// Requests since the start, and those of them answered 429.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    total_requests: u64,
    limited_requests: u64,
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    total: u64,
    limited: u64,
}

impl Summary {
    /// The totals now. Routes that share a path are one endpoint, whichever gate's they are.
    pub(crate) fn of(requests: &AllRequests) -> Self {
        let (mut all, mut endpoints) = (RequestTotals::default(), BTreeMap::new());
        let forgotten = requests.totals(|route, totals| {
            all += totals;
            let endpoint = Endpoint { total: totals.all(), limited: totals.denied };
            endpoints.insert(route.to_owned(), endpoint);
        });
        all += forgotten;
        Self { total_requests: all.all(), limited_requests: all.denied, endpoints }
    }

    /// The summary as JSON text.
    pub(crate) fn to_json(&self) -> String {
        // Only numbers and strings: nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}
