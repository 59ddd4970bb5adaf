//! `[responses]`: what clients are told.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Placed;
use crate::HeaderFamily;

/// `[responses]`: what clients are told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Responses")]
pub struct ResponsesTable {
    /// The families of rate limit headers that are sent.
    #[schemars(extend("default" = ["ietf"]))]
    pub headers: Option<Vec<Placed<HeaderFamily>>>,
}
