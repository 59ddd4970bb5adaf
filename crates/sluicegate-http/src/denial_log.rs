//! The fields by which denials are logged, the newest denials, and the keys that are denied most.

use std::{fmt, sync::Arc, time::SystemTime};

use sluicegate::{Clock, Key, SystemClock};
use sluicegate_policy::{Denied, KeyHasher, LogKeys, Policy};

use crate::{
    DeniedKey, RecentDenial,
    most_denied::{LONGEST_KEY, MostDenied},
    recent_denials::RecentDenials,
};

/// Writes account keys so that callers can be told apart in a log but not read from it. Clones count together.
#[derive(Clone)]
pub struct DenialLog {
    keys: LogKeys,
    hasher: KeyHasher,
    most: Arc<MostDenied>,
    recent: Arc<RecentDenials>,
    clock: SystemClock,
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
        Self {
            keys,
            hasher: KeyHasher::random(),
            most: Arc::default(),
            recent: Arc::default(),
            clock: SystemClock::new(),
        }
    }

    /// The same log, with its hashes, that writes keys in this way. If that is another way, it counts anew: keys that were
    /// counted in plain text may not be told any more.
    #[must_use]
    pub fn with_keys(&self, keys: LogKeys) -> Self {
        let (most, recent) = if keys == self.keys {
            (Arc::clone(&self.most), Arc::clone(&self.recent))
        } else {
            (Arc::default(), Arc::default())
        };
        Self { keys, hasher: self.hasher.clone(), most, recent, clock: self.clock.clone() }
    }

    pub(crate) fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Counts a denial for its key, that of the limit with the longest wait.
    pub fn count(&self, policy: &Policy, denied: &Denied) {
        let now = self.clock.now();
        let limit = || policy.limit(denied.limit()).name().to_owned();
        self.most.count(self.id(denied.key()), now, || (limit(), self.written(denied.key())));
        self.recent.keep(now, |number| RecentDenial {
            number,
            time: SystemTime::now(),
            route: policy.routes.get(denied.route()).label().to_owned(),
            limit: limit(),
            key: self.listed(denied.key()),
            quota: *denied.quota(),
            cost: denied.cost(),
            remaining: denied.balance().remaining,
            retry_after: denied.retry_after(),
        });
    }

    /// Returns the newest denials, the newest first: those after the one with this number. There are at most 64, and at most
    /// 16 of one second.
    #[must_use]
    pub fn recent(&self, after: u64) -> Vec<RecentDenial> {
        self.recent.after(after)
    }

    /// Returns the keys that have been denied most, those with the most denials first.
    ///
    /// There are at most 512. Every key with more than 1/64 of all denials is among them.
    #[must_use]
    pub fn most_denied(&self) -> Vec<DeniedKey> {
        self.most.list(self.clock.now())
    }

    /// Returns an account's key as this log writes it.
    #[must_use]
    pub fn written(&self, key: &Key) -> String {
        self.keys.written(key, &self.hasher)
    }

    /// Returns a number for a key, by which it is found again.
    pub(crate) fn id(&self, key: &Key) -> u64 {
        self.hasher.hash(key.as_bytes())
    }

    /// Returns an account's key as lists have it: not longer than 256 characters.
    pub(crate) fn listed(&self, key: &Key) -> String {
        self.written(key).chars().take(LONGEST_KEY).collect()
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
