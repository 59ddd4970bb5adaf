//! The policy as resolved: everything that deciding a request needs, worked out once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::HeaderName;
use sluicegate::Unit;

use crate::{
    CodeRoute, CodeRouteError, Cors, DecisionLogSettings, DecisionsSettings, Diagnostics, GatewaySettings,
    HeaderFamily, Limit, LimitId, Overrides, Reserve, Route, Routes, Source, StoreSettings,
    TelemetrySettings, Tiers, Warmup,
    config::{file::File, lint, resolve},
};

/// A policy: routes, limits, tiers and warm-up. Everything that requests share is computed once: the quota
/// and the account of each limit in each tier, the routers, the readers of bodies.
///
/// ```
/// use http::Method;
/// use sluicegate_policy::{Policy, Source};
///
/// let text = r#"
///     [[route]]
///     path = "/models/{model}/predict"
///     limits = ["10/minute"]
/// "#;
/// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
/// let found = policy.routes.find(&Method::POST, "/models/iris/predict")?;
/// let route = policy.routes.get(found.route);
/// let limit = policy.limit(route.limits()[0]);
/// assert_eq!(limit.name(), "models_model_predict_10_per_minute");
/// assert_eq!(limit.quota(policy.tiers.default_tier()).amount(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    /// The gateway's own settings.
    pub gateway: GatewaySettings,
    /// The store of balances.
    pub store: StoreSettings,
    /// Identification of callers.
    pub identity: Identity,
    /// The tiers; one without a name if the file has none.
    pub tiers: Tiers,
    /// Smaller limits while the upstream warms up. Clones of a policy share it.
    pub warmup: Option<Arc<Warmup>>,
    /// Every limit, in the order of their ids.
    pub limits: Vec<Limit>,
    /// The limits of each request.
    pub routes: Routes,
    /// The responses to clients.
    pub responses: Responses,
    /// The web pages that may call, if the policy says so. A route of a program leaves that to its app.
    pub cors: Option<Arc<Cors>>,
    /// The decision log of the gateway, if there is one.
    pub decision_log: Option<DecisionLogSettings>,
    /// The traces and metrics that the gateway sends, if any.
    pub telemetry: Option<TelemetrySettings>,
    /// The decision server of the gateway, if there is one.
    pub decisions: Option<DecisionsSettings>,
    /// Warnings of what the author hardly means, because it limits nothing or is dangerous.
    pub warnings: Diagnostics,
}

/// Identification of callers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The file of hashed API keys.
    pub api_keys: Option<PathBuf>,
    /// The header that carries the tier of callers without an API key.
    pub tier_header: Option<HeaderName>,
    /// The limit on unknown API keys per client IP; there where API keys are. Neither tiers nor warm-up scale it.
    pub failures: Option<LimitId>,
    /// The number of leading bits of an IPv6 address that identify a client.
    pub ipv6_prefix: u8,
}

/// The responses to clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Responses {
    /// The families of rate limit headers that are sent.
    pub headers: Vec<HeaderFamily>,
    /// The longest `Retry-After` of a denial.
    pub retry_after_max: Option<Duration>,
}

impl Policy {
    /// Reads and resolves a policy.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place and mostly with what would be right.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        let file = File::parse(source)?;
        let policy = resolve::resolve(source, &file)?;
        Ok(Self { warnings: lint::lint(source, &file, &policy), ..policy })
    }

    /// Reads and resolves the policy in a file, with these settings over it.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); and when the file cannot be read.
    pub fn load(path: &Path, overrides: Overrides) -> Result<Self, Diagnostics> {
        Self::parse(&Source::read(path)?.with(overrides))
    }

    /// A policy of one route, which every request meets: the route is written in a program and all else is this
    /// policy's. Both warm up as one.
    ///
    /// The route's id is [`unmatched`](Routes::unmatched), and its limits have the first ids, in the order of its
    /// quotas. A limit without a name is called as in the file, or with a number behind it where this policy has one of
    /// that name.
    ///
    /// ```
    /// use sluicegate_policy::{CodeRoute, Policy, Source, TierShare};
    ///
    /// let policy = Policy::parse(&Source::empty())?;
    /// let tiers = vec![("free".to_owned(), TierShare::Scale(1.0)), ("premium".to_owned(), TierShare::Scale(5.0))];
    /// let route = CodeRoute { tiers, ..CodeRoute::new("/predict", ["10/minute".parse()?]) };
    /// let policy = policy.with_route(route)?;
    ///
    /// assert_eq!(policy.routes.get(policy.routes.unmatched()).label(), "/predict");
    /// let premium = policy.tiers.find("premium").expect("the route has it");
    /// assert_eq!(policy.limits[0].name(), "predict_10_per_minute");
    /// assert_eq!(policy.limits[0].quota(premium).amount(), 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the route is none: it has no quota, needs a tier that does not exist, costs more than its quotas hold, or
    /// the store cannot keep it.
    pub fn with_route(&self, route: CodeRoute) -> Result<Self, CodeRouteError> {
        resolve::with_route(self, route)
    }

    /// The limit with this name, in which `-` and `_` are the same.
    #[must_use]
    pub fn find_limit(&self, name: &str) -> Option<LimitId> {
        let is_like = |limit: &Limit| limit.name().replace('-', "_") == name.replace('-', "_");
        let exact = self.limits.iter().position(|limit| limit.name() == name);
        exact.or_else(|| self.limits.iter().position(is_like)).map(LimitId)
    }

    /// The limit with this id.
    ///
    /// # Panics
    ///
    /// When the id comes from another policy that has more limits.
    #[inline]
    #[must_use]
    pub fn limit(&self, id: LimitId) -> &Limit {
        &self.limits[id.index()]
    }

    /// Returns `true` if a limit of the route takes the input tokens of a request before it runs.
    pub(crate) fn reserves_input(&self, route: &Route) -> bool {
        route.limits().iter().map(|id| self.limit(*id)).any(|limit| {
            matches!(limit.unit(), Unit::Tokens | Unit::InputTokens) && limit.terms().reserve != Reserve::Off
        })
    }
}
