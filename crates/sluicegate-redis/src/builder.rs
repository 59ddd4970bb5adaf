//! A store to be set up.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use sluicegate::{ManualClock, StoreError};
use sluicegate_remote::BatchedTask;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use crate::{
    RedisStore,
    address::{Address, Kind},
    driver::{Driver, Settings},
    key_names::KeyNames,
    leases::Leases,
    server_time::ServerTime,
    servers::Servers,
    slot_map::SlotMap,
    statistics::Counters,
    sweep::Sweep,
    time_mark::TimeMark,
};

/// A [`RedisStore`] to be set up.
#[must_use = "a store is opened by `open`"]
pub struct RedisStoreBuilder {
    address: Address,
    prefix: String,
    secret: Vec<u8>,
    readable: bool,
    timeout: Duration,
    lease: Duration,
    ca: Option<PathBuf>,
    clock: Option<ManualClock>,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            address: Address::parse(url)?,
            prefix: "sluicegate".to_owned(),
            secret: Vec::new(),
            readable: false,
            timeout: Duration::from_millis(100),
            lease: Duration::from_secs(30),
            ca: None,
            clock: None,
        })
    }

    /// Sets the prefix of all its keys' names. Defaults to `sluicegate`. Stores with the same prefix share
    /// accounts. Braces and blanks are left out.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.chars().filter(|c| c.is_ascii_graphic() && !"{}".contains(*c)).collect();
        self
    }

    /// Keys the hash of identities, so that a reader of Redis cannot trace accounts to identities by trying. The
    /// same for all instances that share accounts.
    pub fn secret(mut self, secret: &[u8]) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Makes keys show the owners of accounts in clear text, for debugging.
    pub fn readable_keys(mut self, readable: bool) -> Self {
        self.readable = readable;
        self
    }

    /// Maximum time that a take waits for Redis. Defaults to 100 ms. After that it is an error, and may have been done.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time until slots of concurrent limits return whose holder has vanished. Defaults to 30 s, and
    /// is at least a second. A running holder renews its leases three times in this time.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// A file of certificates in PEM that TLS trusts instead of the system's.
    pub fn ca(mut self, ca: impl Into<PathBuf>) -> Self {
        self.ca = Some(ca.into());
        self
    }

    /// Tells the time instead of Redis, for tests. Its epoch is the beginning of 2020; move it beyond the real time
    /// first, or Redis forgets accounts before their time. Leases are still renewed by real time.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Reads what [`open`](Self::open) would read, and opens nothing.
    ///
    /// # Errors
    ///
    /// When a setting makes no sense, or the file of certificates cannot be read.
    pub fn check(&self) -> Result<(), StoreError> {
        Servers::new(&self.address, self.ca.as_deref()).map(drop)
    }

    /// Opens the store: its task runs on this runtime and connects in the background. The store's own futures run
    /// anywhere.
    ///
    /// # Errors
    ///
    /// When a setting makes no sense, or the file of certificates cannot be read.
    pub fn open(self, runtime: &Handle) -> Result<RedisStore, StoreError> {
        let servers = Servers::new(&self.address, self.ca.as_deref())?;
        let cluster = matches!(self.address.kind, Kind::Cluster(_));
        let names = KeyNames::new(&self.prefix, &self.secret, self.readable, cluster);
        let map = Arc::new(SlotMap::new(self.address.to_string(), cluster));
        let sweep = Sweep { servers: servers.clone(), names: names.clone(), runtime: runtime.clone() };
        let (leases, counters) = (Arc::new(Leases::default()), Arc::new(Counters::default()));
        let (sender, receiver) = mpsc::unbounded_channel();
        let time = Arc::new(ServerTime::new(self.clock));
        let mark = TimeMark::new(&names, Arc::clone(&time));
        let settings =
            Settings { servers, map: Arc::clone(&map), timeout: self.timeout, lease: self.lease, time };
        let (running, ended) = watch::channel(());
        let (driver_leases, driver_counters) = (Arc::clone(&leases), Arc::clone(&counters));
        let outgoing = sender.downgrade();
        runtime.spawn(BatchedTask::new(async move {
            Driver::new(settings, (outgoing, receiver), driver_leases, driver_counters).run().await;
            drop(running);
        }));
        RedisStore::new(names, mark, map, sweep, sender, (leases, counters), ended)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
