//! The state of a gateway, as its admin port tells it.

use serde::Deserialize;
use tokio::time::Instant;

use crate::exposition::Exposition;

/// The answers of the admin port at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) taken: Instant,
    pub(crate) metrics: Exposition,
    pub(crate) keys: Keys,
}

/// The most denied keys.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Known(Vec<DeniedKey>),
    /// The reason that they are not told, with the remedy.
    Hidden(String),
}

/// A key of the gateway's list of denials.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct DeniedKey {
    pub(crate) limit: String,
    pub(crate) key: String,
    /// Denials since the key was listed.
    pub(crate) denials: u64,
    /// Seconds since the last of them.
    pub(crate) idle: f64,
}
