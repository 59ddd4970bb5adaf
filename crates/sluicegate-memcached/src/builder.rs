//! A store to be set up.

use std::{sync::Arc, time::Duration};

use sluicegate::{ManualClock, StoreError};
use sluicegate_remote::WallClock;
use tokio::runtime::Handle;

use crate::{
    MemcachedStore, deadlines::DeadlineKeeper, dispatcher::Dispatcher, key_names::KeyNames, servers::Servers,
};

/// A [`MemcachedStore`] to be set up.
#[derive(Clone, Debug)]
pub struct MemcachedStoreBuilder {
    servers: Servers,
    prefix: String,
    secret: Secret,
    readable: bool,
    timeout: Duration,
    clock: Option<ManualClock>,
}

/// Never printed.
#[derive(Clone, Default)]
struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl MemcachedStoreBuilder {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            servers: Servers::parse(url)?,
            prefix: "sluicegate".to_owned(),
            secret: Secret::default(),
            readable: false,
            timeout: Duration::from_millis(100),
            clock: None,
        })
    }

    /// Sets the prefix of every item's name: 1 to 64 of `A-Z a-z 0-9 . _ -`. Defaults to `sluicegate`. Stores
    /// with different prefixes share nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Keys the hash that makes names of identities. Without it, an account cannot be traced to its identity. The
    /// same on every instance, or they do not share accounts.
    #[must_use]
    pub fn secret(mut self, secret: &[u8]) -> Self {
        self.secret = Secret(secret.to_vec());
        self
    }

    /// Makes names show identities in clear text, for debugging. A name that would be too long for Memcached
    /// shows the hash.
    #[must_use]
    pub fn readable_keys(mut self, readable: bool) -> Self {
        self.readable = readable;
        self
    }

    /// Maximum time that a decision or a settlement waits for Memcached. Defaults to 100 ms.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A clock to go by instead of the system's, for tests. Items then never expire.
    #[must_use]
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Opens the store: its tasks run on this runtime, and connect in the background. Its futures can be awaited
    /// anywhere.
    ///
    /// # Errors
    ///
    /// When the prefix is not made of the letters above, or the timeout is zero.
    pub fn open(self, runtime: &Handle) -> Result<MemcachedStore, StoreError> {
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=LONGEST_PREFIX).contains(&self.prefix.len()) || !self.prefix.chars().all(is_good) {
            return Err(StoreError::misconfigured(format!(
                "`{}` cannot be the prefix of the store's keys; use 1 to {LONGEST_PREFIX} of A-Z a-z 0-9 . _ -",
                self.prefix.escape_debug()
            )));
        }
        if self.timeout.is_zero() {
            return Err(StoreError::misconfigured("a timeout of the store must be longer than nothing"));
        }
        let names = KeyNames::new(&self.prefix, &self.secret.0, self.readable);
        let dispatcher = Dispatcher::new(self.servers, names, WallClock::new(self.clock), runtime);
        let reply_delays = dispatcher.links.iter().map(|link| link.reply_delay().clone()).collect();
        Ok(MemcachedStore::new(
            Arc::new(dispatcher),
            DeadlineKeeper::new(self.timeout, reply_delays, runtime),
            runtime,
        ))
    }
}

const LONGEST_PREFIX: usize = 64;
