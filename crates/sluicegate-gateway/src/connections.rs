//! How many clients are connected, in all and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use rustix::process::{Resource, getrlimit};
use sluicegate_policy::{GatewaySettings, Policy, account_ip};

/// Counts the connections of all workers, and refuses those above the limits. Clones share their counts.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    open: Gauge,
    refused: Family<ReasonLabels, Counter>,
    refused_in_all: Counter,
    refused_from_one: Counter,
    /// The limit where the policy gives none.
    by_open_files: Option<NonZeroUsize>,
    /// Asked once for each connection, never for a request.
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A client's connection, which counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected {
    connections: Connections,
    client: IpAddr,
}

impl Connections {
    /// Nobody is connected.
    pub(crate) fn new() -> Connections {
        let refused = Family::<ReasonLabels, Counter>::default();
        let counter = |reason| refused.get_or_create_owned(&ReasonLabels { reason });
        Connections {
            open: Gauge::default(),
            refused_in_all: counter("max_connections"),
            refused_from_one: counter("max_connections_per_ip"),
            refused,
            by_open_files: by_open_files(),
            by_client: Arc::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Clients that are connected", self.open.clone());
        registry.register(
            "refused_connections",
            "Connections closed at once, by the limit that was reached",
            self.refused.clone(),
        );
    }

    /// Counts a connection from `ip`, unless there are as many as this policy lets be.
    pub(crate) fn admit(&self, ip: IpAddr, policy: &Policy) -> Option<Connected> {
        let settings = &policy.gateway;
        let client = account_ip(ip, policy.identity.ipv6_prefix);
        let mut by_client = self.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let all = settings.max_connections.or(self.by_open_files).map_or(usize::MAX, NonZeroUsize::get);
        if usize::try_from(self.open.get()).is_ok_and(|open| open >= all) {
            self.refused_in_all.inc();
            return None;
        }
        let from_one = by_client.entry(client).or_default();
        if *from_one >= most_from_one(settings, ip) {
            self.refused_from_one.inc();
            return None;
        }
        *from_one += 1;
        self.open.inc();
        Some(Connected { connections: self.clone(), client })
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut by_client = self.connections.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        self.connections.open.dec();
        if let Some(open) = by_client.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                by_client.remove(&self.client);
            }
        }
    }
}

/// A trusted proxy connects for many.
fn most_from_one(settings: &GatewaySettings, ip: IpAddr) -> usize {
    let ip = ip.to_canonical();
    match settings.max_connections_per_ip {
        Some(most) if !settings.trusted_proxies.iter().any(|network| network.contains(&ip)) => most.get(),
        _ => usize::MAX,
    }
}

/// As many as there are pairs of open files: each client may need a connection to an upstream.
fn by_open_files() -> Option<NonZeroUsize> {
    let files = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
    NonZeroUsize::new(files.saturating_sub(OTHER_FILES) / 2)
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReasonLabels {
    reason: &'static str,
}

/// What the gateway has open beside clients and upstreams: listeners, event queues, the store, the admin port.
const OTHER_FILES: usize = 128;
