//! `[warmup]`: smaller limits while the upstream warms up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Number, Period, Placed};

/// `[warmup]`: smaller limits while the upstream warms up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Warmup")]
pub struct WarmupTable {
    /// This much of every limit, more than 0 and at most 1; a limit never falls below one unit.
    #[schemars(extend("default" = 0.2))]
    pub scale: Option<Placed<Number>>,
    /// The path that is polled on every upstream, every second, until one answers with 2xx.
    pub ready: Placed<String>,
    /// From then, the limits grow evenly to their full size over this time.
    #[schemars(extend("default" = "30s"))]
    pub ramp: Option<Period>,
}
