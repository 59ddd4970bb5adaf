//! `[store]`: where balances are kept.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Placed;

/// `[store]`: where balances are kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct StoreTable {
    /// `memory://`: in this process.
    #[schemars(extend("default" = "memory://"))]
    pub url: Option<Placed<String>>,
    /// The most accounts that the memory store keeps; above it, the least spent one is forgotten.
    #[schemars(range(min = 1), extend("default" = 1_000_000))]
    pub max_keys: Option<Placed<i64>>,
}
