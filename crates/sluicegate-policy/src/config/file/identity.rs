//! `[identity]`: who the caller is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Placed;

/// `[identity]`: who the caller is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Identity")]
pub struct IdentityTable {
    /// The file of hashed API keys, relative to the policy file. `sluicegate key new` writes it.
    pub api_keys: Option<Placed<String>>,
    /// Header with the tier of callers without an API key: `"header:NAME"`, set by a trusted proxy.
    pub tier: Option<Placed<String>>,
    /// The tier of everybody else. Needed where there are several tiers.
    pub default_tier: Option<Placed<String>>,
    /// Number of unknown API keys that one client IP may send before every key from it is denied.
    #[schemars(extend("default" = "10/minute"))]
    pub failures: Option<Placed<String>>,
    /// Number of leading bits of an IPv6 address that identify a client, 32 to 128. Most sites have a /64.
    #[schemars(range(min = 32, max = 128), extend("default" = 64))]
    pub ipv6_prefix: Option<Placed<i64>>,
}
