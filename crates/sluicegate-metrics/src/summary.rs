//! The summary: totals by route, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::requests::{AllRequests, Total};

/// Requests since the start, and those of them answered 429.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    total_requests: u64,
    limited_requests: u64,
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug, Default, Serialize)]
struct Endpoint {
    total: u64,
    limited: u64,
}

impl Summary {
    /// The totals now. Routes that share a path are one endpoint, whichever gate's they are.
    pub(crate) fn of(requests: &AllRequests) -> Self {
        let (mut all, mut endpoints) = (Total::default(), BTreeMap::<_, Endpoint>::new());
        let forgotten = requests.totals(|route, total| {
            all.add(total);
            let endpoint = endpoints.entry(route.to_owned()).or_default();
            endpoint.total += total.requests;
            endpoint.limited += total.limited;
        });
        all.add(forgotten);
        Self { total_requests: all.requests, limited_requests: all.limited, endpoints }
    }

    /// The summary as JSON text.
    pub(crate) fn to_json(&self) -> String {
        // Only numbers and strings: nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}
