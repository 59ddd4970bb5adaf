//! The meaning of a descriptor's hits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The meaning of a descriptor's hits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charging {
    /// Usage that a request is expected to have. They are charged if the limits admit it.
    #[default]
    Estimate,
    /// Usage that a request has had. They are always charged, and what is beyond a limit is a debt that later requests wait for.
    Actual,
}
