//! `[gateway.health]` and `[gateway.ejection]`: which upstreams get requests.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Placed};

/// `[gateway.health]`: asks every upstream again and again whether it is well. Without it, only requests find out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Health")]
pub struct HealthTable {
    /// The path that is asked. An upstream that answers it with 2xx is well.
    pub path: Placed<String>,
    /// From one question to the next.
    #[schemars(extend("default" = "5s"))]
    pub interval: Option<Placed<Period>>,
    /// Maximum time of a response.
    #[schemars(extend("default" = "2s"))]
    pub timeout: Option<Placed<Period>>,
    /// Consecutive good responses that bring an upstream back, 1 to 1000.
    #[schemars(range(min = 1, max = 1000), extend("default" = 2))]
    pub healthy: Option<Placed<i64>>,
    /// Consecutive bad responses that mark an upstream down, 1 to 1000.
    #[schemars(range(min = 1, max = 1000), extend("default" = 3))]
    pub unhealthy: Option<Placed<i64>>,
}

/// `[gateway.ejection]`: puts an upstream of a list out for a while when requests to it fail.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Ejection")]
pub struct EjectionTable {
    /// Consecutive failures that eject an upstream, 0 to 1000; 0 is never.
    #[schemars(range(min = 0, max = 1000), extend("default" = 5))]
    pub failures: Option<Placed<i64>>,
    /// Time until one request tries it again. Each failed trial doubles it.
    #[schemars(extend("default" = "5s"))]
    pub time: Option<Placed<Period>>,
    /// The longest that it is out.
    #[schemars(extend("default" = "1m"))]
    pub max_time: Option<Placed<Period>>,
    /// Counts the responses 502, 503 and 504 as failures, too.
    #[schemars(extend("default" = false))]
    pub answers: Option<bool>,
}
