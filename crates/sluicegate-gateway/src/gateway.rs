//! The running gateway.

mod start_error;

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};

use sluicegate::SystemClock;
use sluicegate_http::{
    decision_log::{DecisionSink, LogClock, LogFile},
    watch_keys,
};
use sluicegate_policy::{ApiKeys, Gate, Policy, Route, StoreSettings, TelemetrySettings, TlsSettings};
use sluicegate_stores::AnyStore;
use tokio::sync::mpsc;

pub use self::start_error::StartError;
pub(crate) use self::start_error::decision_log_error;
use crate::{
    admin::{Admin, dashboard::Dashboard},
    decisions::permits::Permits,
    io::{
        interval::Tokio,
        tls::{self, Tls, TlsError},
    },
    log,
    reload::{ReloadError, Reloaded, Reloads, generation::Generation, origin::Origin, policy_watch},
    telemetry::{Telemetry, TelemetryError},
    threads::{
        drain::Drain,
        housekeeping, listener,
        worker::{Port, Ports, Worker},
    },
    upstream::{dial::Dialer, health_check::check_all, probe::until_one_is_ready},
};

/// A running gateway. Dropping it stops it at once; [`drain`](Gateway::drain) lets running requests finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    decisions_address: Option<SocketAddr>,
    resp_address: Option<SocketAddr>,
    admin_address: SocketAddr,
    drain: Option<Drain>,
    workers: Vec<Worker>,
    housekeeping: Option<JoinHandle<()>>,
    reloads: Arc<Reloads>,
    permits: Arc<Permits<AnyStore, SystemClock>>,
    decision_log: Arc<DecisionSink>,
}

/// The outcome of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they had not finished within the drain timeout, and requests that went on for
    /// clients who had left.
    pub cut: usize,
}

impl Gateway {
    /// Asks the store, binds every address of the policy, starts the workers and returns; the gateway accepts connections
    /// from now on. A store that does not answer yet is waited for two seconds or so; memory never waits.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing keeps running then.
    pub async fn start(policy: Policy) -> Result<Self, StartError> {
        Self::start_with(policy, None).await
    }

    /// The same with the policy that was read from `origin`, which is read again when its file changes or somebody
    /// [asks](Self::reload) for it.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_from(origin: Origin, policy: Policy) -> Result<Self, StartError> {
        Self::start_with(policy, Some(origin)).await
    }

    async fn start_with(policy: Policy, origin: Option<Origin>) -> Result<Self, StartError> {
        let settings = policy.gateway.clone();
        if settings.upstreams.is_empty() && policy.decisions.is_none() {
            return Err(StartError::NoUpstream);
        }
        let is_for_descriptors = |route: &Route| route.descriptor().is_some();
        if !cfg!(feature = "grpc") && policy.routes.as_slice().iter().any(is_for_descriptors) {
            return Err(StartError::NoGrpc);
        }
        let load = |path| ApiKeys::load_for(path, &policy.tiers);
        let api_keys =
            policy.identity.api_keys.as_deref().map(load).transpose().map_err(StartError::ApiKeys)?;
        let load = |tls: &TlsSettings| Tls::load(tls.clone()).map_err(StartError::Tls);
        let tls = settings.tls.as_ref().map(load).transpose()?;
        let decisions_tls =
            policy.decisions.as_ref().and_then(|decisions| decisions.tls.as_ref()).map(load).transpose()?;
        let dialer = Dialer::new(&settings).map_err(StartError::Tls)?;
        let telemetry = Telemetry::new(policy.telemetry.as_ref()).map_err(StartError::Telemetry)?;
        let store = open(&policy.store).await?;
        let decision_log = open_decision_log(&policy, &store)?;
        let threads = settings.threads.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let bind = |address, tls: Option<&Tls>| {
            listener::bind_shared(address, threads, settings.reuse_port)
                .map(|(address, listeners)| {
                    let certificates = tls.map(Tls::certificates);
                    let port = move |listener| Port { listener, certificates: certificates.clone() };
                    (address, listeners.into_iter().map(port))
                })
                .map_err(|error| StartError::Listen(address, error))
        };
        let is_proxy = !settings.upstreams.is_empty();
        let clients = is_proxy.then(|| bind(settings.listen, tls.as_ref())).transpose()?;
        let decisions = policy
            .decisions
            .as_ref()
            .map(|decisions| bind(decisions.listen, decisions_tls.as_ref()))
            .transpose()?;
        let resp = policy.decisions.as_ref().and_then(|decisions| decisions.resp);
        let resp = resp.map(|address| bind(address, decisions_tls.as_ref())).transpose()?;
        let (address, mut clients) = clients.unzip();
        let (decisions_address, mut decisions) = decisions.unzip();
        let (resp_address, mut resp) = resp.unzip();
        let admin_failed = |error| StartError::Admin(settings.admin, error);
        let admin_listener = listener::bind_alone(settings.admin).map_err(admin_failed)?;
        let admin_address = admin_listener.local_addr().map_err(admin_failed)?;
        let (drain, draining) = Drain::new();
        let gate = Gate::new(policy, store, SystemClock::new()).with_api_keys(api_keys.unwrap_or_default());
        let generation =
            Arc::new(Generation::new(Arc::new(gate), dialer, Arc::clone(&decision_log), telemetry));
        let (senders, adoptions): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::unbounded_channel()).unzip();
        let reloads = Arc::new(Reloads::new(origin, Arc::clone(&generation), senders));

        let dashboard = Arc::<Dashboard>::default();
        let admin = Admin {
            metrics: generation.metrics.all.clone(),
            draining: draining.clone(),
            reloads: Arc::clone(&reloads),
            dashboard: Arc::clone(&dashboard),
            is_local: admin_address.ip().to_canonical().is_loopback(),
        };
        let permits = Arc::new(Permits::new(SystemClock::new()));
        let ending = Arc::clone(&permits);
        let informed = keep_informed(Arc::clone(&reloads), dashboard, [tls, decisions_tls]);
        let housekeeping = housekeeping::spawn(
            admin_listener,
            admin,
            draining.clone(),
            async move {
                tokio::join!(informed, ending.end_leases());
            },
            send_the_rest(Arc::clone(&reloads)),
        )
        .map_err(StartError::Thread)?;
        let mut gateway = Self {
            address: address.or(decisions_address).unwrap_or(settings.listen),
            decisions_address,
            resp_address,
            admin_address,
            drain: Some(drain),
            workers: Vec::new(),
            housekeeping: Some(housekeeping),
            reloads,
            permits,
            decision_log,
        };
        for (index, adoptions) in adoptions.into_iter().enumerate() {
            let ports = Ports {
                clients: clients.as_mut().and_then(Iterator::next),
                decisions: decisions.as_mut().and_then(Iterator::next),
                resp: resp.as_mut().and_then(Iterator::next),
            };
            let (generation, permits) = (Arc::clone(&generation), Arc::clone(&gateway.permits));
            let worker = Worker::spawn(index, ports, generation, adoptions, draining.clone(), permits)
                .map_err(StartError::Thread)?;
            gateway.workers.push(worker);
        }
        Ok(gateway)
    }

    /// Everything that is wrong with the files of TLS that this policy names: nothing where [`start`](Self::start) can use
    /// them.
    pub fn wrong_tls_files(policy: &Policy) -> Vec<TlsError> {
        let of_proxies = policy.decisions.iter().filter_map(|decisions| decisions.tls.as_ref());
        let of_peers = policy.gateway.tls.iter().chain(of_proxies).flat_map(tls::wrong_files);
        of_peers.chain(Dialer::new(&policy.gateway).err()).collect()
    }

    /// Returns what keeps these settings of telemetry from being followed, if anything does.
    pub fn wrong_telemetry(settings: &TelemetrySettings) -> Option<TelemetryError> {
        Telemetry::new(Some(settings)).err()
    }

    /// The address for clients, with the real port if the policy says 0. Without an upstream, nothing listens for clients,
    /// and this is the address of the decision server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the decision server, if the policy has one.
    pub fn decisions_address(&self) -> Option<SocketAddr> {
        self.decisions_address
    }

    /// The address for clients that speak the Redis protocol, if the policy has one.
    pub fn resp_address(&self) -> Option<SocketAddr> {
        self.resp_address
    }

    /// The address for health and metrics, with the real port if the policy says 0.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Reads the policy again, and works by it from now on: when this returns, every request that arrives is served by the
    /// new one. Requests that arrived before keep the old one to their end; balances stay.
    ///
    /// # Errors
    ///
    /// What is wrong with the new policy; the old one stays then. Always where the gateway was
    /// [started](Self::start) without an origin.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.reloads.reload().await
    }

    /// Stops accepting, closes idle connections, and waits until the running requests have finished, streams too, or
    /// the drain timeout has passed.
    pub async fn drain(mut self) -> Drained {
        if let Some(drain) = &self.drain {
            drain.begin();
        }
        let mut cut = 0;
        for worker in &mut self.workers {
            // A worker that is gone has nothing left to cut.
            cut += (&mut worker.finished).await.unwrap_or(0);
        }
        Drained { cut }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.drain = None;
        let workers = self.workers.drain(..).map(|worker| worker.thread);
        for thread in workers.chain(self.housekeeping.take()) {
            // A thread that panicked has reported that itself.
            let _ = thread.join();
        }
        let unsettled = self.permits.end_all();
        if unsettled > 0 {
            tracing::warn!(unsettled, "permits of /take end with the gateway, and stay charged as estimated");
        }
        // No request is left that could log its end.
        self.decision_log.close();
    }
}

/// Opens the store. One that cannot be reached may come later: until then, limits follow their outage policy.
async fn open(settings: &StoreSettings) -> Result<AnyStore, StartError> {
    let store = AnyStore::open(settings, log::transition).map_err(StartError::Store)?;
    match store.check().await {
        Err(error) if error.is_misconfiguration() => return Err(StartError::Store(error)),
        Err(error) => {
            tracing::warn!("the store is not there yet: {error}; limits begin by their outage policy");
        }
        Ok(()) => {}
    }
    Ok(store)
}

/// Opens the decision log, if there is one.
fn open_decision_log(policy: &Policy, store: &AnyStore) -> Result<Arc<DecisionSink>, StartError> {
    let clock = match store {
        AnyStore::Memory(memory) => LogClock::of_store(memory.clock().clone(), SystemTime::now()),
        AnyStore::Redis(_) | AnyStore::Memcached(_) => LogClock::beside_store(),
    };
    let decisions = Arc::new(DecisionSink::new(clock, log::decision_log));
    if let Some(settings) = &policy.decision_log {
        let failed = |error| StartError::DecisionLog(settings.path.clone(), error);
        let file = LogFile::open(settings).map_err(failed)?;
        decisions.begin(file, &policy.store.url.kind().to_string(), true).map_err(StartError::Thread)?;
    }
    Ok(decisions)
}

/// Follows outside changes: the policy file, the files and upstreams that the active policy depends on, the certificate.
async fn keep_informed(reloads: Arc<Reloads>, dashboard: Arc<Dashboard>, tls: [Option<Tls>; 2]) {
    let mut generations = reloads.follow();
    let inform = async {
        loop {
            let generation = Arc::clone(&generations.borrow_and_update());
            tokio::select! {
                never = inform(&generation) => match never {},
                changed = generations.changed() => if changed.is_err() { break },
            }
        }
    };
    let watch = async |tls: Option<Tls>| {
        if let Some(tls) = tls {
            tls.watch().await;
        }
    };
    let [clients, decisions] = tls.map(watch);
    tokio::join!(inform, clients, decisions, policy_watch::watch(&reloads), dashboard.follow(&reloads));
}

/// Sends the spans of the last requests when the gateway ends, if the collector takes them at once.
async fn send_the_rest(reloads: Arc<Reloads>) {
    let generation = reloads.current();
    drop(reloads);
    generation.telemetry.send_the_rest(&generation.metrics.all).await;
}

/// Tells of what changes outside: an upstream becomes ready or fails its health checks, the file of API keys is edited.
async fn inform(generation: &Generation) -> Infallible {
    let Generation { gate, healths, dialer, telemetry, .. } = generation;
    let settings = &gate.policy().gateway;
    let warm_up = async {
        if let Some(warmup) = gate.policy().warmup.as_ref().filter(|warmup| !warmup.is_ready()) {
            until_one_is_ready(dialer, &settings.upstreams, warmup.path()).await;
            tracing::info!("the upstream is ready: the limits grow to their full size");
            gate.upstream_is_ready();
        }
    };
    let watch_keys = async {
        if let Some(path) = &gate.policy().identity.api_keys {
            watch_keys(path, gate, &Tokio, log::api_keys).await;
        }
    };
    let check_health = async {
        if let Some(health) = &settings.health {
            check_all(dialer, &settings.upstreams, healths, health).await;
        }
    };
    tokio::join!(warm_up, watch_keys, check_health, telemetry.send(&generation.metrics.all));
    pending().await
}
