//! `[store.chunks]`: quotas that are spent without a call for each request.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Number, Period, Placed};

/// `[store.chunks]`: takes chunks of hot keys' quotas from Redis, and spends them in memory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Chunks")]
pub struct ChunksTable {
    /// The part of a quota's burst that each instance may hold, from 0.001 to 0.5.
    #[schemars(extend("default" = 0.1))]
    pub share: Option<Placed<Number>>,
    /// Time after which a chunk ends, spent or not, from 100 ms to 60 s.
    #[schemars(extend("default" = "1s"))]
    pub life: Option<Placed<Period>>,
}
