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
    /// When a request gives back its slots of concurrent limits.
    pub slots_until: SlotsUntil,
}

/// When a request gives back its slots of concurrent limits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotsUntil {
    /// When its response is sent, or its client leaves before. The upstream is told then, by a connection that is closed.
    #[default]
    ClientLeaves,
    /// When the upstream has ended its response, whether the client waits for it or not. For upstreams that work on when
    /// nobody waits any more.
    UpstreamEnds,
}
