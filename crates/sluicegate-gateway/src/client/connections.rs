//! Connected clients, in total and per address.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use rustix::process::{Resource, getrlimit};
use sluicegate_metrics::Family;
use sluicegate_policy::{GatewaySettings, Policy, account_ip};

/// Counts the connections of all workers, and refuses those above the limits. Clones share their counts.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    open: Gauge,
    refused: Family<ReasonLabels, Counter>,
    refused_in_all: Counter,
    refused_from_one: Counter,
    refused_untrusted: Counter,
    refused_header: Counter,
    refused_resets: Counter,
    /// Streams of HTTP/2.
    malformed: Counter,
    /// The limit where the policy gives none.
    by_open_files: Option<NonZeroUsize>,
    /// Asked once for each connection, never for a request.
    by_client: Arc<Mutex<ByClient>>,
}

/// A client's connection, which counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected {
    connections: Connections,
    ip: IpAddr,
    /// The address by which it is counted.
    client: IpAddr,
}

/// There are as many connections from this address as the policy lets be.
#[derive(Debug)]
pub(crate) struct TooMany(IpAddr);

#[derive(Debug, Default)]
struct ByClient(HashMap<IpAddr, usize>);

impl Connections {
    /// No client is connected.
    pub(crate) fn new() -> Self {
        let refused = Family::<ReasonLabels, Counter>::default();
        let counter = |reason| refused.series(&ReasonLabels { reason });
        Self {
            open: Gauge::default(),
            refused_in_all: counter("max_connections"),
            refused_from_one: counter("max_connections_per_ip"),
            refused_untrusted: counter("untrusted_proxy"),
            refused_header: counter("proxy_protocol"),
            refused_resets: counter("http2_max_resets"),
            malformed: Counter::default(),
            refused,
            by_open_files: by_open_files(),
            by_client: Arc::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Clients that are connected", self.open.clone());
        registry.register(
            "refused_connections",
            "Connections closed because of a limit, or for want of a proxy's word for the client's address",
            self.refused.clone(),
        );
        registry.register(
            "http2_malformed_streams",
            "Streams of HTTP/2 that were reset because of what their client sent",
            self.malformed.clone(),
        );
    }

    /// Counts a connection from `ip`, unless there are as many as this policy lets be.
    pub(crate) fn admit(&self, ip: IpAddr, policy: &Policy) -> Option<Connected> {
        let settings = &policy.gateway;
        if settings.proxy_protocol && !is_trusted(settings, ip) {
            self.refused_untrusted.inc();
            return None;
        }
        let client = account_ip(ip, policy.identity.ipv6_prefix);
        let mut by_client = self.by_client();
        let all = settings.max_connections.or(self.by_open_files).map_or(usize::MAX, NonZeroUsize::get);
        if usize::try_from(self.open.get()).is_ok_and(|open| open >= all) {
            self.refused_in_all.inc();
            return None;
        }
        if !by_client.add(client, most_from_one(settings, ip)) {
            self.refused_from_one.inc();
            return None;
        }
        self.open.inc();
        Some(Connected { connections: self.clone(), ip, client })
    }

    /// Counts streams of HTTP/2 that are reset because of what their client sent.
    pub(crate) fn malformed(&self) -> Counter {
        self.malformed.clone()
    }

    fn by_client(&self) -> MutexGuard<'_, ByClient> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// The client's address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The connection turns out to be from `ip`, for whom a trusted proxy made it.
    ///
    /// # Errors
    ///
    /// [`TooMany`], and the connection is to be closed.
    pub(crate) fn is_from(&mut self, ip: IpAddr, policy: &Policy) -> Result<(), TooMany> {
        let client = account_ip(ip, policy.identity.ipv6_prefix);
        let mut by_client = self.connections.by_client();
        if !by_client.add(client, most_from_one(&policy.gateway, ip)) {
            self.connections.refused_from_one.inc();
            return Err(TooMany(client));
        }
        by_client.remove(self.client);
        (self.ip, self.client) = (ip, client);
        Ok(())
    }

    /// Counts that the connection is closed because it does not say whom it is from.
    pub(crate) fn refuse_header(&self) {
        self.connections.refused_header.inc();
    }

    /// Counts that the connection is closed because its client gives up too many requests.
    pub(crate) fn refuse_resets(&self) {
        self.connections.refused_resets.inc();
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.by_client().remove(self.client);
        self.connections.open.dec();
    }
}

impl ByClient {
    /// Counts one more, unless there are as many as there may be.
    fn add(&mut self, client: IpAddr, most: usize) -> bool {
        let open = self.0.entry(client).or_default();
        let is_one_of_them = *open < most;
        *open += usize::from(is_one_of_them);
        is_one_of_them
    }

    fn remove(&mut self, client: IpAddr) {
        if let Some(open) = self.0.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                self.0.remove(&client);
            }
        }
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has as many connections as it may", self.0)
    }
}

impl std::error::Error for TooMany {}

/// A trusted proxy connects for many.
fn most_from_one(settings: &GatewaySettings, ip: IpAddr) -> usize {
    match settings.max_connections_per_ip {
        Some(most) if !is_trusted(settings, ip) => most.get(),
        _ => usize::MAX,
    }
}

fn is_trusted(settings: &GatewaySettings, ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    settings.trusted_proxies.iter().any(|network| network.contains(&ip))
}

/// As many as there are pairs of open files: each client may need a connection to an upstream.
fn by_open_files() -> Option<NonZeroUsize> {
    let files = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
    NonZeroUsize::new(files.saturating_sub(OTHER_FILES) / 2)
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct ReasonLabels {
    reason: &'static str,
}

/// Files that the gateway has open besides clients and upstreams: listeners, event queues, the store, the
/// admin port.
const OTHER_FILES: usize = 128;
