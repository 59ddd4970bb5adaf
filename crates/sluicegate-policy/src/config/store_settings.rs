//! Access to the store, resolved.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicegate::OutageMode;

use crate::{Hidden, Scale, StoreUrl};

/// Settings for access to the store, each from the file or its default. Those that the kind of store does not
/// need are ignored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreSettings {
    /// The URL of the store.
    pub url: StoreUrl,
    /// The prefix of every key in Redis and Memcached.
    pub prefix: String,
    /// The form of callers' names in Redis and Memcached.
    pub keys: StoreKeys,
    /// Keys the hash of callers' names; the same on every instance.
    pub secret: Option<Hidden>,
    /// The maximum time that a decision waits for the store.
    pub timeout: Duration,
    /// The time until a crashed instance's slots return.
    pub lease: Duration,
    /// The roots that TLS trusts, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Default mode of limits while the store is down.
    pub outage: OutageMode,
    /// Among how many instances a local quota is divided.
    pub replicas: NonZeroU32,
    /// The most accounts of each algorithm in memory: of the memory store, and of that which stands in during an outage.
    pub max_keys: usize,
    /// Serves a denial from memory for as long as it holds.
    pub remember_denials: bool,
    /// Takes chunks of quotas from Redis, and spends them in memory. Without them, each decision is a call.
    pub chunks: Option<ChunkSettings>,
}

/// Settings of the chunks of quotas that an instance takes from the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkSettings {
    /// The part of a quota's burst that this instance may hold.
    pub share: Scale,
    /// The time after which a chunk ends.
    pub life: Duration,
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self { share: Scale::from_millionths(100_000), life: Duration::from_secs(1) }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: StoreUrl::memory(),
            prefix: "sluicegate".to_owned(),
            keys: StoreKeys::default(),
            secret: None,
            timeout: Duration::from_millis(100),
            lease: Duration::from_secs(30),
            ca: None,
            outage: OutageMode::default(),
            replicas: NonZeroU32::MIN,
            max_keys: 1_000_000,
            remember_denials: true,
            chunks: None,
        }
    }
}

/// The form of callers' names in a store that others can read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKeys {
    /// By a hash.
    #[default]
    Hashed,
    /// In clear, for debugging.
    Readable,
}
