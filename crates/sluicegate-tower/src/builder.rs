//! The making of a layer.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use http::request::Parts;
use sluicegate::{Clock, Cost, Limit, SystemClock};
use sluicegate_http::{Admission, DenialLog};
use sluicegate_metrics::Metrics;
use sluicegate_policy::{
    CodeMeter, CodeRoute, Gate, KeyTemplate, Mode, Overrides, Policy, Source, WatchedKeys,
};
use sluicegate_stores::AnyStore;

use crate::{
    BuildError, Event, RateLimitLayer,
    limits::{Code, FindPeer, Limits, Listener, SharedClock, needs_address},
};

/// Makes a [`RateLimitLayer`].
///
/// Give it limits in code, a policy, or both. A policy alone limits requests by its routes. Beside limits in code, only the
/// policy's settings apply: store, API keys, tiers, trusted proxies, families of headers.
#[must_use]
#[derive(Clone, Default)]
pub struct Builder {
    policy: Option<Written>,
    limits: Vec<Limit>,
    route: Option<String>,
    key: Option<KeyTemplate>,
    meter: CodeMeter,
    mode: Mode,
    code: Code,
    shared: Option<RateLimitLayer>,
    metrics: Option<Metrics>,
    clock: Option<SharedClock>,
    find_peer: Option<FindPeer>,
    listener: Option<Listener>,
}

/// A policy, as it was given.
#[derive(Clone)]
enum Written {
    File(PathBuf),
    Read(Box<Policy>),
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads this policy file. Environment variables such as `SLUICEGATE_STORE__URL` override it, as for the gateway. Settings of
    /// the gateway alone, such as its listener and upstream, have no effect.
    pub fn policy_file(self, path: impl Into<PathBuf>) -> Self {
        Self { policy: Some(Written::File(path.into())), ..self }
    }

    /// Takes a policy that has been read.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(Written::Read(Box::new(policy))), ..self }
    }

    /// Adds a limit. A request is admitted if all of them admit it, and charged to none if one denies it.
    ///
    /// The name is written in headers, and names the account: letters, digits, `-` and `_`, at most 64. Quotas that count
    /// something other than requests and slots need a [meter](Self::meter) or a [cost](Self::cost_by).
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// Names the route of limits in code, for metrics and logs. Defaults to the name of the first limit.
    pub fn route(self, name: impl Into<String>) -> Self {
        Self { route: Some(name.into()), ..self }
    }

    /// Tells callers apart by these parts of a request. Defaults to the client's IP address, which also replaces a part that a
    /// request lacks.
    pub fn key(self, key: KeyTemplate) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Tells callers apart by what this function finds in the head, or in the extensions that an outer layer has set. Where it finds
    /// nothing, the client's IP address replaces it.
    pub fn key_by(mut self, find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.code.find_key = Some(Arc::new(find));
        self
    }

    /// Finds the cost of a request in its body: the number of items, or the tokens of a model.
    pub fn meter(self, meter: CodeMeter) -> Self {
        Self { meter, ..self }
    }

    /// Finds the cost of a request by this function, in the unit of the quotas; in nano-dollars where they count dollars.
    pub fn cost_by<T: Into<Cost>>(mut self, find: impl Fn(&Parts) -> T + Send + Sync + 'static) -> Self {
        self.code.find_cost = Some(Arc::new(move |head| find(head).into()));
        Self { meter: CodeMeter::Given, ..self }
    }

    /// Enforces limits in code, or only records what they would deny. Defaults to [`Mode::Enforce`].
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Shares accounts, API keys, metrics and clock with another layer. Limits of the same name are the same account. The other
    /// layer's policy is the default.
    pub fn share(self, layer: &RateLimitLayer) -> Self {
        Self { shared: Some(layer.clone()), ..self }
    }

    /// Counts in these metrics. Defaults to metrics of its own.
    pub fn metrics(self, metrics: &Metrics) -> Self {
        Self { metrics: Some(metrics.clone()), ..self }
    }

    /// Reads the time from this clock. A store in memory follows it, too. Defaults to the system's clock.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Some(SharedClock::new(clock)), ..self }
    }

    /// Finds the address of the peer that sent a request. Defaults to [`PeerAddress`](crate::PeerAddress) in its extensions and,
    /// with the feature `axum`, to axum's `ConnectInfo<SocketAddr>`.
    ///
    /// A request whose address is not found is answered with 500, unless its key is.
    pub fn peer_by(self, find: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self { find_peer: Some(Arc::new(find)), ..self }
    }

    /// Tells this function the events that a server logs. It runs on the task of a request, so it should return soon.
    pub fn listener(self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..self }
    }

    /// Makes the layer: reads the files and opens the store. A store behind a network connects in the background.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is wrong, the limits contradict each other, or the store's settings make no sense.
    pub fn build(self) -> Result<RateLimitLayer, BuildError> {
        let base = self.base()?;
        let code = (!self.limits.is_empty()).then(|| self.code.clone());
        let policy = match self.code_route() {
            None => base,
            Some(route) => base.with_route(route)?,
        };
        let clock = match (&self.shared, self.clock) {
            (Some(layer), _) => layer.limits().clock.clone(),
            (None, Some(clock)) => clock,
            (None, None) => SharedClock::new(SystemClock::new()),
        };
        let metrics = match (self.metrics, &self.shared) {
            (Some(metrics), _) => metrics,
            (None, Some(layer)) => layer.metrics().clone(),
            (None, None) => Metrics::new(),
        };
        let gate = match &self.shared {
            Some(layer) => layer.limits().admission().gate().with_policy(policy),
            None => open(policy, &clock, &metrics, self.listener.clone())?,
        };
        let policy = gate.policy();
        let counted = metrics.gate(policy);
        Ok(RateLimitLayer::new(Limits {
            needs_address: needs_address(policy),
            denials: DenialLog::new(policy.gateway.log_keys),
            admission: Admission::new(Arc::new(gate), counted, clock.clone()),
            clock,
            metrics,
            code,
            find_peer: self.find_peer,
            listener: self.listener,
        }))
    }

    /// The policy in which limits in code stand.
    fn base(&self) -> Result<Policy, BuildError> {
        match (&self.policy, &self.shared) {
            (Some(Written::File(path)), _) => Ok(Policy::load(path, Overrides::default().environment())?),
            (Some(Written::Read(policy)), _) => Ok(Policy::clone(policy)),
            (None, _) if self.limits.is_empty() => Err(BuildError::NoLimits),
            (None, Some(layer)) => Ok(layer.policy().clone()),
            (None, None) => Ok(Policy::parse(&Source::empty())?),
        }
    }

    fn code_route(&self) -> Option<CodeRoute> {
        let first = self.limits.first()?;
        let label = self.route.as_deref().unwrap_or(first.name());
        let quotas: Vec<_> = self.limits.iter().map(Limit::quota).collect();
        Some(CodeRoute {
            names: self.limits.iter().map(|limit| limit.name().to_owned()).collect(),
            key: self.key.clone().unwrap_or_else(KeyTemplate::client_ip),
            mode: self.mode,
            meter: self.meter.clone(),
            ..CodeRoute::new(label, quotas)
        })
    }
}

/// Opens the gate of a policy on a store of its own.
fn open(
    policy: Policy,
    clock: &SharedClock,
    metrics: &Metrics,
    listener: Option<Listener>,
) -> Result<Gate<AnyStore<SharedClock>>, BuildError> {
    let store = AnyStore::open_with_clock(&policy.store, clock.clone(), move |transition| {
        if let Some(listener) = &listener {
            listener(&Event::Store(transition));
        }
    })?;
    let keys = policy.identity.api_keys.as_deref().map(WatchedKeys::at);
    let gate = Gate::new(policy, store, clock.clone());
    if let Some(read) = keys.and_then(|mut keys| keys.changed(&gate.policy().tiers)) {
        gate.replace_api_keys(read?);
    }
    let store = Arc::downgrade(gate.store());
    metrics.watch_store(move || store.upgrade().map(|store| store.statistics()));
    Ok(gate)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("limits", &self.limits)
            .field("key", &self.key)
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}
