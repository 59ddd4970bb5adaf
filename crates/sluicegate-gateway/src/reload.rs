//! Replacing the policy of a running gateway.

pub(crate) mod current;
pub(crate) mod generation;
pub(crate) mod origin;
pub(crate) mod policy_watch;
pub(crate) mod restart;

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sluicegate_http::decision_log::LogFile;
use sluicegate_policy::{ApiKeys, ApiKeysError, Diagnostics, FileVersion, Policy, StoreKind};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::{
    gateway::decision_log_error,
    io::tls::TlsError,
    log,
    metrics::ReloadMetrics,
    reload::{
        generation::{Adoption, Generation},
        origin::Origin,
    },
    telemetry::TelemetryError,
    upstream::dial::Dialer,
};

/// Reads the policy again, and gives a good one to everybody who works by it. Reloads come one after the other.
#[derive(Debug)]
pub(crate) struct Reloads {
    origin: Mutex<Option<Origin>>,
    /// The policy file, if there is one.
    pub(crate) file: Option<PathBuf>,
    current: watch::Sender<Arc<Generation>>,
    workers: Vec<mpsc::UnboundedSender<Adoption>>,
    pub(crate) metrics: ReloadMetrics,
}

/// The changes of a reload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reloaded {
    /// Settings that the new policy changes and that stay as they were, because they take a restart.
    pub needs_restart: Vec<&'static str>,
    /// Names of limits that the old policy had not: their balances begin anew.
    pub added_limits: Vec<String>,
    /// Names of limits that the new policy has no more.
    pub removed_limits: Vec<String>,
}

impl Reloads {
    /// Reloads from `origin`, for these workers, which have the first generation already.
    pub(crate) fn new(
        origin: Option<Origin>,
        first: Arc<Generation>,
        workers: Vec<mpsc::UnboundedSender<Adoption>>,
    ) -> Self {
        let metrics = first.metrics.reloads.clone();
        let file = origin.as_ref().and_then(Origin::file).map(Path::to_owned);
        Self { origin: Mutex::new(origin), file, current: watch::Sender::new(first), workers, metrics }
    }

    /// The active settings.
    pub(crate) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.borrow())
    }

    /// The active settings, now and from each reload on.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Generation>> {
        self.current.subscribe()
    }

    /// The version that the policy file has now, if it is not the one that was read last.
    pub(crate) async fn unread(&self) -> Option<Option<FileVersion>> {
        self.origin.lock().await.as_ref()?.unread()
    }

    /// Reads the policy and works by it from now on; when it returns, every request that arrives is served by it.
    ///
    /// # Errors
    ///
    /// What is wrong with the new policy, which has been logged: then the old one stays.
    pub(crate) async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let mut origin = self.origin.lock().await;
        let replaced = self.replace(origin.as_mut());
        self.metrics.note(replaced.is_ok());
        match replaced {
            Ok((reloaded, adoptions)) => {
                for adopted in adoptions {
                    // A worker that is gone serves no client.
                    let _ = adopted.await;
                }
                reloaded.log();
                Ok(reloaded)
            }
            Err(error) => {
                tracing::error!(%error, "the policy was not reloaded; the old one stays");
                Err(error)
            }
        }
    }

    /// Waits for nothing, so that a caller that stops waiting for a reload leaves none half done.
    fn replace(
        &self,
        origin: Option<&mut Origin>,
    ) -> Result<(Reloaded, Vec<oneshot::Receiver<()>>), ReloadError> {
        let mut policy = origin.ok_or(ReloadError::NoOrigin)?.read().map_err(ReloadError::Policy)?;
        let running = self.current();
        if policy.gateway.upstreams.is_empty() && !running.gate.policy().gateway.upstreams.is_empty() {
            return Err(ReloadError::NoUpstream);
        }
        let (was, is) = (running.gate.policy().store.url.kind(), policy.store.url.kind());
        if was != is {
            return Err(ReloadError::StoreKind { was, is });
        }
        let reloaded = Reloaded {
            needs_restart: restart::keep(running.gate.policy(), &mut policy),
            ..Reloaded::between(running.gate.policy(), &policy)
        };
        let load = |path| ApiKeys::load_for(path, &policy.tiers);
        let api_keys =
            policy.identity.api_keys.as_deref().map(load).transpose().map_err(ReloadError::ApiKeys)?;
        let dialer = Dialer::new(&policy.gateway).map_err(ReloadError::Tls)?;
        let telemetry = running.telemetry.with(policy.telemetry.as_ref()).map_err(ReloadError::Telemetry)?;
        change_decision_log(&running, &policy)?;
        log::warnings(&policy);
        let next = Arc::new(running.next(policy, api_keys.unwrap_or_default(), dialer, telemetry));
        self.current.send_replace(Arc::clone(&next));
        let adopt = |worker: &mpsc::UnboundedSender<Adoption>| {
            let (adopted, done) = oneshot::channel();
            // A worker that is gone serves no client.
            let _ = worker.send(Adoption { generation: Arc::clone(&next), adopted });
            done
        };
        Ok((reloaded, self.workers.iter().map(adopt).collect()))
    }
}

/// Has the decision log written as the new policy says. What fails leaves it as it is.
fn change_decision_log(running: &Generation, policy: &Policy) -> Result<(), ReloadError> {
    let (before, decisions) = (&running.gate.policy().decision_log, &running.decisions);
    let Some(settings) = &policy.decision_log else {
        decisions.end();
        return Ok(());
    };
    if before.as_ref().is_some_and(|before| before.path == settings.path) {
        decisions.resize(settings);
        return Ok(());
    }
    let store = policy.store.url.kind().to_string();
    let begun = LogFile::open(settings).and_then(|file| decisions.begin(file, &store, false));
    begun.map_err(|error| ReloadError::DecisionLog(settings.path.clone(), error))
}

impl Reloaded {
    fn between(before: &Policy, after: &Policy) -> Self {
        let names = |policy: &Policy| -> BTreeSet<String> {
            policy.limits.iter().map(|limit| limit.name().to_owned()).collect()
        };
        let (before, after) = (names(before), names(after));
        Self {
            needs_restart: Vec::new(),
            added_limits: after.difference(&before).cloned().collect(),
            removed_limits: before.difference(&after).cloned().collect(),
        }
    }

    fn log(&self) {
        let list = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
        let (added_limits, removed_limits) = (list(&self.added_limits), list(&self.removed_limits));
        tracing::info!(added_limits, removed_limits, "reloaded the policy");
        if !self.needs_restart.is_empty() {
            let settings = self.needs_restart.join(", ");
            tracing::warn!(settings, "changed settings that take a restart stay as they were");
        }
    }
}

/// The reason that a reload changed nothing.
#[derive(Debug)]
pub enum ReloadError {
    /// The policy was given by a program, so there is nothing to read again.
    NoOrigin,
    /// The new policy is wrong.
    Policy(Diagnostics),
    /// The new policy names no upstream.
    NoUpstream,
    /// The new policy's file of API keys cannot be used.
    ApiKeys(ApiKeysError),
    /// The new policy's upstreams cannot be spoken to by TLS.
    Tls(TlsError),
    /// The new policy's telemetry cannot be sent.
    Telemetry(TelemetryError),
    /// The new policy's decision log cannot be written to this file.
    DecisionLog(PathBuf, io::Error),
    /// The new policy was checked for another kind of store than the one that is open.
    StoreKind {
        /// The store that is open.
        was: StoreKind,
        /// The store that the new policy names.
        is: StoreKind,
    },
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrigin => {
                f.write_str("the policy was given by a program, so there is no file to read again")
            }
            Self::Policy(diagnostics) => diagnostics.fmt(f),
            Self::NoUpstream => f.write_str(
                "no upstream: set `upstream` under [gateway], or start with --upstream http://HOST:PORT",
            ),
            Self::ApiKeys(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Telemetry(error) => error.fmt(f),
            Self::DecisionLog(path, error) => decision_log_error(f, path, error),
            Self::StoreKind { was, is } => {
                write!(f, "`store.url` changes the store from {was} to {is}: restart the gateway for that")
            }
        }
    }
}

impl std::error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ApiKeys(error) => error.source(),
            Self::DecisionLog(_, error) => Some(error),
            _ => None,
        }
    }
}
