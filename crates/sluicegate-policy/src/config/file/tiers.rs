//! `[tiers.NAME]`: scales of the limits, sold to customers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Number, Placed};

/// `[tiers.NAME]`: what a tier's callers get.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Tier")]
pub struct TierTable {
    /// So many times every limit that is kept per caller.
    #[schemars(extend("default" = 1))]
    pub scale: Option<Placed<Number>>,
    /// Quotas of single limits, by the limit's name, instead of the scaled ones.
    pub limits: BTreeMap<Placed<String>, Placed<String>>,
}
