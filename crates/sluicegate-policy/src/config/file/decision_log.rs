//! `[decision_log]`: a file with a line for each decision.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Placed, Size};
use crate::LogKeys;

/// `[decision_log]`: writes each decision of the gateway, and the end of each allowed request, to a file. Off without it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DecisionLog")]
pub struct DecisionLogTable {
    /// The file, relative to the policy file.
    pub path: Placed<String>,
    /// The size at which the file is rotated, 4KiB or more.
    #[schemars(extend("default" = "100MiB"))]
    pub max_size: Option<Placed<Size>>,
    /// The number of older files kept, 1 to 1000: `NAME.1` is the newest of them.
    #[schemars(range(min = 1, max = 1000), extend("default" = 5))]
    pub files: Option<Placed<i64>>,
    /// The form of addresses, API keys, and values of headers, cookies, queries and bodies.
    #[schemars(extend("default" = "hashed"))]
    pub keys: Option<LogKeys>,
}
