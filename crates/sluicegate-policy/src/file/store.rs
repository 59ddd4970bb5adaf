//! `[store]`: where balances are kept.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Period, Placed};
use crate::{Hidden, StoreKeys};

/// `[store]`: where balances are kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct StoreTable {
    /// `memory://` is in this process; `redis://`, `rediss://`, `redis+unix://`, `redis+sentinel://`, `redis+cluster://` (or
    /// valkey instead of redis) and `memcached://` are shared by all instances that name the same.
    #[schemars(extend("default" = "memory://"))]
    pub url: Option<Placed<Hidden>>,
    /// What every key in Redis and Memcached begins with. Instances with the same prefix share accounts.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,64}$"), extend("default" = "sluicegate"))]
    pub prefix: Option<Placed<String>>,
    /// How callers are named in Redis and Memcached: by a hash, or in clear for debugging.
    #[schemars(extend("default" = "hashed"))]
    pub keys: Option<StoreKeys>,
    /// Keys the hash of callers' names, so that who reads the store cannot find out whose account is whose by trying. At
    /// least 16 bytes, the same on every instance.
    #[schemars(length(min = 16))]
    pub secret: Option<Placed<Hidden>>,
    /// How long a decision waits for the store, 1 ms to 1 s; then the outage policy decides.
    #[schemars(extend("default" = "100ms"))]
    pub timeout: Option<Placed<Period>>,
    /// How long the slots of concurrent limits stay taken when an instance has crashed, at least 3 s.
    #[schemars(extend("default" = "30s"))]
    pub lease: Option<Placed<Period>>,
    /// A file of root certificates in PEM, relative to the policy file, that TLS trusts instead of the system's.
    pub ca: Option<Placed<String>>,
    /// What becomes of limits that do not say otherwise while the store does not answer.
    #[schemars(extend("default" = "local"), with = "Option<OutageWord>")]
    pub outage: Option<Placed<String>>,
    /// How many instances share the store: in an outage each gives one of so many parts of every local quota.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1))]
    pub replicas: Option<Placed<i64>>,
    /// The most accounts of each algorithm in memory, also in that which stands in during an outage; above it, the least
    /// spent one is forgotten.
    #[schemars(range(min = 1), extend("default" = 1_000_000))]
    pub max_keys: Option<Placed<i64>>,
    /// Whether a denial by a remote store is answered from memory for as long as it holds.
    #[schemars(extend("default" = true))]
    pub remember_denials: Option<bool>,
}

/// The schema of what is done in an outage: the engine's values know nothing of schemas.
pub(super) struct OutageWord;

impl JsonSchema for OutageWord {
    fn schema_name() -> Cow<'static, str> {
        "Outage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = sluicegate::Outage::ALL.map(sluicegate::Outage::as_str);
        json_schema!({ "type": "string", "enum": words, "description": "What becomes of a limit while the store does not answer." })
    }
}
