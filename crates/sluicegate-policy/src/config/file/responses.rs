//! `[responses]`: what clients are told.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Placed};
use crate::HeaderFamily;

/// `[responses]`: what clients are told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Responses")]
pub struct ResponsesTable {
    /// The families of rate limit headers that are sent.
    #[schemars(extend("default" = ["ietf"]))]
    pub headers: Option<Vec<Placed<HeaderFamily>>>,
    /// The longest `Retry-After` of a denial, in whole seconds. Clients that wait that long may be denied again. Unlimited by
    /// default.
    pub retry_after_max: Option<Placed<Period>>,
}
