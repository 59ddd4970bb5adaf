//! The running gateway.

use std::{
    convert::Infallible,
    fmt,
    future::pending,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::SystemTime,
};

use sluicegate::{StoreError, SystemClock};
use sluicegate_http::{
    decision_log::{DecisionSink, LogClock, LogFile},
    watch_keys,
};
use sluicegate_policy::{
    ApiKeys, ApiKeysError, Gate, GatewaySettings, Policy, StoreSettings, TelemetrySettings,
};
use sluicegate_stores::AnyStore;
use tokio::sync::mpsc;

use crate::{
    admin::{Admin, dashboard::Dashboard},
    io::{
        interval::Tokio,
        tls::{self, Tls, TlsError},
    },
    log,
    reload::{ReloadError, Reloaded, Reloads, generation::Generation, origin::Origin, policy_watch},
    telemetry::{Telemetry, TelemetryError},
    threads::{drain::Drain, housekeeping, listener, worker::Worker},
    upstream::{dial::Dialer, health_check::check_all, probe::until_one_is_ready},
};

/// A running gateway. Dropping it stops it at once; [`drain`](Gateway::drain) lets running requests finish.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    admin_address: SocketAddr,
    drain: Option<Drain>,
    workers: Vec<Worker>,
    housekeeping: Option<JoinHandle<()>>,
    reloads: Arc<Reloads>,
    decisions: Arc<DecisionSink>,
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
        if settings.upstreams.is_empty() {
            return Err(StartError::NoUpstream);
        }
        let load = |path| ApiKeys::load_for(path, &policy.tiers);
        let api_keys =
            policy.identity.api_keys.as_deref().map(load).transpose().map_err(StartError::ApiKeys)?;
        let tls = settings.tls.clone().map(Tls::load).transpose().map_err(StartError::Tls)?;
        let dialer = Dialer::new(&settings).map_err(StartError::Tls)?;
        let telemetry = Telemetry::new(policy.telemetry.as_ref()).map_err(StartError::Telemetry)?;
        let certificates = tls.as_ref().map(Tls::certificates);
        let store = open(&policy.store).await?;
        let decisions = open_decision_log(&policy, &store)?;
        let threads = settings.threads.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let (address, listeners) = listener::bind_shared(settings.listen, threads, settings.reuse_port)
            .map_err(|error| StartError::Listen(settings.listen, error))?;
        let admin_failed = |error| StartError::Admin(settings.admin, error);
        let admin_listener = listener::bind_alone(settings.admin).map_err(admin_failed)?;
        let admin_address = admin_listener.local_addr().map_err(admin_failed)?;
        let (drain, draining) = Drain::new();
        let gate = Gate::new(policy, store, SystemClock::new()).with_api_keys(api_keys.unwrap_or_default());
        let generation = Arc::new(Generation::new(Arc::new(gate), dialer, Arc::clone(&decisions), telemetry));
        let (senders, adoptions): (Vec<_>, Vec<_>) =
            listeners.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let reloads = Arc::new(Reloads::new(origin, Arc::clone(&generation), senders));

        let dashboard = Arc::<Dashboard>::default();
        let admin = Admin {
            metrics: generation.metrics.all.clone(),
            draining: draining.clone(),
            reloads: Arc::clone(&reloads),
            dashboard: Arc::clone(&dashboard),
            is_local: admin_address.ip().to_canonical().is_loopback(),
        };
        let housekeeping = housekeeping::spawn(
            admin_listener,
            admin,
            draining.clone(),
            keep_informed(Arc::clone(&reloads), dashboard, tls),
            send_the_rest(Arc::clone(&reloads)),
        )
        .map_err(StartError::Thread)?;
        let mut gateway = Self {
            address,
            admin_address,
            drain: Some(drain),
            workers: Vec::new(),
            housekeeping: Some(housekeeping),
            reloads,
            decisions,
        };
        for (index, (listener, adoptions)) in listeners.into_iter().zip(adoptions).enumerate() {
            let worker = Worker::spawn(
                index,
                listener,
                Arc::clone(&generation),
                adoptions,
                certificates.clone(),
                draining.clone(),
            )
            .map_err(StartError::Thread)?;
            gateway.workers.push(worker);
        }
        Ok(gateway)
    }

    /// Everything that is wrong with the files of TLS that these settings name: nothing where [`start`](Self::start) can use
    /// them.
    pub fn wrong_tls_files(settings: &GatewaySettings) -> Vec<TlsError> {
        let of_clients = settings.tls.as_ref().map(tls::wrong_files).unwrap_or_default();
        of_clients.into_iter().chain(Dialer::new(settings).err()).collect()
    }

    /// Returns what keeps these settings of telemetry from being followed, if anything does.
    pub fn wrong_telemetry(settings: &TelemetrySettings) -> Option<TelemetryError> {
        Telemetry::new(Some(settings)).err()
    }

    /// The address for clients, with the real port if the policy says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        // No request is left that could log its end.
        self.decisions.close();
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
async fn keep_informed(reloads: Arc<Reloads>, dashboard: Arc<Dashboard>, tls: Option<Tls>) {
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
    let watch_certificate = async {
        if let Some(tls) = tls {
            tls.watch().await;
        }
    };
    tokio::join!(inform, watch_certificate, policy_watch::watch(&reloads), dashboard.follow(&reloads));
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

/// The reason that the gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// The policy names no upstream.
    NoUpstream,
    /// The public address cannot be bound.
    Listen(SocketAddr, io::Error),
    /// The admin address cannot be bound.
    Admin(SocketAddr, io::Error),
    /// The file of API keys cannot be read.
    ApiKeys(ApiKeysError),
    /// A file of `[gateway.tls]` cannot be used.
    Tls(TlsError),
    /// The store cannot be used as the policy says, and a person must mend it.
    Store(StoreError),
    /// The traces and metrics cannot be sent.
    Telemetry(TelemetryError),
    /// The decision log cannot be written to this file.
    DecisionLog(PathBuf, io::Error),
    /// No thread or event queue to serve with.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUpstream => {
                write!(f, "no upstream: set `upstream` under [gateway], or give --upstream http://HOST:PORT")
            }
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Admin(address, error) => write!(f, "cannot listen on {address} for admin: {error}"),
            Self::ApiKeys(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Telemetry(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the store cannot be used: {error}"),
            Self::DecisionLog(path, error) => decision_log_error(f, path, error),
            Self::Thread(error) => write!(f, "cannot start a worker: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoUpstream | Self::Tls(_) | Self::Telemetry(_) => None,
            Self::ApiKeys(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Listen(_, error)
            | Self::Admin(_, error)
            | Self::DecisionLog(_, error)
            | Self::Thread(error) => Some(error),
        }
    }
}

/// Says why the decision log cannot be written, and what to do.
pub(crate) fn decision_log_error(f: &mut fmt::Formatter<'_>, path: &Path, error: &io::Error) -> fmt::Result {
    let path = path.display();
    write!(f, "cannot write the decision log {path}: {error}; give another `path` under [decision_log]")
}
