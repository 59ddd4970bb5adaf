//! The fields by which denials are logged.

use std::{fmt, hash::RandomState};

use sluicegate::Key;
use sluicegate_policy::{Denied, LogKeys, Policy};

/// Writes account keys so that callers can be told apart in a log but not read from it.
#[derive(Clone)]
pub struct DenialLog {
    keys: LogKeys,
    hasher: RandomState,
}

/// The fields of one denial. The way in adds the id of the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DenialFields<'a> {
    /// The route's name.
    pub route: &'a str,
    /// The name of the limit with the longest wait.
    pub limit: &'a str,
    /// The key of its account, as the policy lets logs write it.
    pub key: String,
    /// The wait in whole seconds, as the client is told it. `None` if waiting never helps.
    pub retry_after: Option<u64>,
}

impl DenialLog {
    /// A log that writes keys in this way. Hashes differ from one start to the next.
    #[must_use]
    pub fn new(keys: LogKeys) -> Self {
        Self { keys, hasher: RandomState::new() }
    }

    /// The same log, with its hashes, that writes keys in this way.
    #[must_use]
    pub fn with_keys(&self, keys: LogKeys) -> Self {
        Self { keys, hasher: self.hasher.clone() }
    }

    /// Returns an account's key as this log writes it.
    #[must_use]
    pub fn written(&self, key: &Key) -> String {
        self.keys.written(key, &self.hasher)
    }

    /// Returns the fields of a denial by a gate with this policy.
    #[must_use]
    pub fn fields<'a>(&self, policy: &'a Policy, denied: &Denied) -> DenialFields<'a> {
        DenialFields {
            route: policy.routes.get(denied.route()).label(),
            limit: policy.limit(denied.limit()).name(),
            key: self.written(denied.key()),
            retry_after: denied.retry_after(),
        }
    }
}

impl fmt::Debug for DenialLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenialLog").field("keys", &self.keys).finish_non_exhaustive()
    }
}
