//! `[store]`: where balances are kept.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{ChunksTable, Period, Placed};
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
    /// Prefix of every key in Redis and Memcached. Instances with the same prefix share accounts.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,64}$"), extend("default" = "sluicegate"))]
    pub prefix: Option<Placed<String>>,
    /// Form of callers' names in Redis and Memcached: a hash, or readable for debugging.
    #[schemars(extend("default" = "hashed"))]
    pub keys: Option<StoreKeys>,
    /// Keys the hash of callers' names, so that who reads the store cannot find out whose account is whose by trying. At
    /// least 16 bytes, the same on every instance.
    #[schemars(length(min = 16))]
    pub secret: Option<Placed<Hidden>>,
    /// Maximum time that a decision waits for the store, 1 ms to 1 s; then the outage policy decides.
    #[schemars(extend("default" = "100ms"))]
    pub timeout: Option<Placed<Period>>,
    /// Time until a crashed instance's slots of concurrent limits return, at least 3 s.
    #[schemars(extend("default" = "30s"))]
    pub lease: Option<Placed<Period>>,
    /// A file of root certificates in PEM, relative to the policy file, that TLS trusts instead of the system's.
    pub ca: Option<Placed<String>>,
    /// Default mode of limits while the store is down.
    #[schemars(extend("default" = "local"), with = "Option<OutageWord>")]
    pub outage: Option<Placed<String>>,
    /// Number of instances that share the store: in an outage, each gives its equal share of every local
    /// quota.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1))]
    pub replicas: Option<Placed<i64>>,
    /// The most accounts of each algorithm in memory, also in that which stands in during an outage; above it, the least
    /// spent one is forgotten.
    #[schemars(range(min = 1), extend("default" = 1_000_000))]
    pub max_keys: Option<Placed<i64>>,
    /// Serves a remote store's denial from memory for as long as it holds.
    #[schemars(extend("default" = true))]
    pub remember_denials: Option<bool>,
    /// Takes chunks of hot keys' quotas from Redis, and spends them in memory. Without it, each decision is a call.
    pub chunks: Option<ChunksTable>,
}

/// The schema of what is done in an outage: the engine's values know nothing of schemas.
pub(super) struct OutageWord;

impl JsonSchema for OutageWord {
    fn schema_name() -> Cow<'static, str> {
        "Outage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = sluicegate::OutageMode::ALL.map(sluicegate::OutageMode::as_str);
        json_schema!({ "type": "string", "enum": words, "description": "Mode of a limit while the store is down." })
    }
}
