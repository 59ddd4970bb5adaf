//! Settings for handing a route's requests to the upstream.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings for handing a route's requests to the upstream. Only the gateway heeds them: other ways in have no upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Request header fields that the upstream is not sent.
    pub removed_headers: Vec<HeaderName>,
    /// `Retry-After` of the upstream's refusals that name no time, in whole seconds.
    pub retry_after: Option<Duration>,
    /// The event that frees a request's slots of concurrent limits.
    pub slots_until: SlotsUntil,
}

/// The event that frees a request's slots of concurrent limits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotsUntil {
    /// The response is sent, or the client leaves before. Then the gateway closes the connection to tell the
    /// upstream.
    #[default]
    ClientLeaves,
    /// The upstream has ended its response, even if the client no longer waits. For upstreams that continue
    /// to work for clients that have left.
    UpstreamEnds,
}
