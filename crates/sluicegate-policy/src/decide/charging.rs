//! What the hits of a descriptor are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the hits of a descriptor are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charging {
    /// What a request is going to use. They are charged if the limits admit it.
    #[default]
    Estimate,
    /// What a request has used. They are always charged, and what is beyond a limit is a debt that later requests wait for.
    Actual,
}
