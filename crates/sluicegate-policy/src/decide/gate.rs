//! The one decision path: which requests may pass, and on which accounts. Its outcomes are values.

mod accounts;
mod afterwards;
mod bill;
mod counted;
mod extension;
mod foresight;
mod hints;
mod judgement;
mod key_failures;
mod named;
mod outcome;
mod pass;
mod preflight;
mod recognise;
mod recorded;
mod reservation;
mod together;
mod visit;
mod warming;

use std::{
    borrow::Cow,
    fmt,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use http::request::Parts;
use sluicegate::{Charge, Clock, Cost, Decision, Limiter, OutageMode, Resilient, Store, Timestamp};
use smallvec::SmallVec;

use bill::Bill;
use key_failures::KeyFailures;

pub use accounts::LimitAccount;
pub use counted::Counting;
pub use extension::{Extended, Extension};
pub use foresight::Foresight;
pub use hints::Hints;
pub use judgement::Judgement;
pub use outcome::{Denied, Outcome, Refused, Rejection};
pub use pass::Pass;
pub use recorded::RecordedRequest;
pub use reservation::{Ending, Reservation, Settlement};
pub use together::{Spared, Together};
pub use visit::Visit;

use crate::{
    ApiKeys, Body, Caller, ClientIp, LimitId, Meter, Policy, Reading, Refusal, Route, RouteId, RouteMatch,
    Terms, TokenHistory, account_ip,
    decide::{client_ip::text_of, cors::is_preflight},
};

/// A policy at work: decides requests by it, on the accounts of a store.
///
/// The life of a request is [`enter`](Self::enter), which needs its head only, and [`decide`](Self::decide), which
/// needs of its body what [`Visit::take_reading`] reads. The outcome is a value; a [`Renderer`](crate::Renderer) makes an HTTP
/// response of it.
///
/// ```
/// # use std::{net::IpAddr, sync::Arc};
/// # use http::Request;
/// # use sluicegate::{ManualClock, MemoryStore};
/// # use sluicegate_policy::{Gate, Outcome, Policy, Rejection, Renderer, RequestId, Source};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
/// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
/// let clock = ManualClock::new();
/// let store = MemoryStore::builder().clock(clock.clone()).build();
/// let gate = Gate::new(policy, store, clock);
///
/// let (head, ()) = Request::post("/predict").body(())?.into_parts();
/// let peer: IpAddr = "192.0.2.7".parse()?;
/// let visit = gate.enter(&head, peer).await.expect("no limit is on arriving");
/// assert!(gate.decide(&visit, None).await.is_admitted());
///
/// let visit = gate.enter(&head, peer).await.expect("no limit is on arriving");
/// let Outcome::Rejected(rejection) = gate.decide(&visit, None).await else {
///     panic!("the minute's one request is spent");
/// };
/// if let Rejection::Denied(denied) = &rejection {
///     assert_eq!(gate.policy().limit(denied.limit()).name(), "predict_1_per_minute");
/// }
/// let response = Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::of(&head.headers));
/// assert_eq!(response.status(), 429);
/// assert_eq!(response.headers()["retry-after"], "60");
/// # Ok(())
/// # }
/// ```
pub struct Gate<S: Store> {
    policy: Policy,
    limiter: Limiter<S>,
    clock: Arc<dyn Clock>,
    client_ip: ClientIp,
    /// Replaced as a whole when their file changes.
    api_keys: Arc<RwLock<Arc<ApiKeys>>>,
    key_failures: Arc<KeyFailures>,
    token_history: Arc<TokenHistory>,
}

impl<S: Resilient> Gate<S> {
    /// Opens a gate. It knows no API keys until it is [given some](Self::replace_api_keys).
    ///
    /// The clock is that of warm-up and of what this instance alone remembers; the store, which may be shared already,
    /// tells its own time.
    pub fn new(policy: Policy, store: impl Into<Arc<S>>, clock: impl Clock) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Self {
            client_ip: client_ip(&policy),
            policy,
            limiter: Limiter::new(store),
            key_failures: Arc::new(KeyFailures::new(Arc::clone(&clock))),
            clock,
            token_history: Arc::default(),
            api_keys: Arc::default(),
        }
    }

    /// A gate of another policy that has all else in common with this one: the accounts, the clock, and the API keys,
    /// which are replaced for both at once.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        Self {
            client_ip: client_ip(&policy),
            policy,
            limiter: self.limiter.clone(),
            key_failures: Arc::clone(&self.key_failures),
            clock: Arc::clone(&self.clock),
            token_history: Arc::clone(&self.token_history),
            api_keys: Arc::clone(&self.api_keys),
        }
    }

    /// The same gate with API keys of its own, apart from those of the gate that it was made from.
    #[must_use]
    pub fn with_api_keys(self, api_keys: ApiKeys) -> Self {
        Self { api_keys: Arc::new(RwLock::new(Arc::new(api_keys))), ..self }
    }

    /// The policy that is at work.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The store in which its accounts are.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        self.limiter.store()
    }

    /// Knows these API keys from now on, and no others.
    pub fn replace_api_keys(&self, api_keys: ApiKeys) {
        // A thread that panicked here has replaced the keys or has not; they are whole either way.
        *self.api_keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(api_keys);
    }

    /// The rejection of a request whose head cannot even be read as a visit.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Rejection {
        Rejection::refused(refusal, self.policy.routes.unmatched(), self.policy.tiers.default_tier())
    }

    /// Decides by the head alone: finds the route and the caller, and checks that a caller of that tier may
    /// use the route.
    ///
    /// # Errors
    ///
    /// The rejection: a path that means different things to different servers, an unknown API key, too many of those, the
    /// wrong tier, a store that does not answer; or a preflight that the policy answers.
    pub async fn enter<'h>(&self, head: &'h Parts, peer: IpAddr) -> Result<Visit<'h>, Rejection> {
        self.enter_with(head, peer, Hints::default()).await
    }

    /// [`enter`](Self::enter) for a request whose key or cost an application knows. Of the hints, others do nothing.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub async fn enter_with<'h>(
        &self,
        head: &'h Parts,
        peer: IpAddr,
        hints: Hints<'h>,
    ) -> Result<Visit<'h>, Rejection> {
        let route = match self.policy.routes.find(&head.method, head.uri.path()) {
            Ok(route) => route,
            Err(error) => return Err(self.refused(Refusal::AmbiguousPath(error))),
        };
        let mut visit = self.arrived(head, peer, route, hints);
        if visit.is_preflight {
            return self.preflight(visit);
        }
        self.recognise(&mut visit, peer).await?;
        self.entered(visit)
    }

    /// [`enter`](Self::enter) for a request whose route is known, because an application's own router found it, with
    /// what else the application knows of it.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub async fn enter_route<'h>(
        &self,
        route: RouteId,
        head: &'h Parts,
        peer: IpAddr,
        hints: Hints<'h>,
    ) -> Result<Visit<'h>, Rejection> {
        let route = match RouteMatch::known(route, head.uri.path()) {
            Ok(route) => route,
            Err(error) => return Err(self.refused(Refusal::AmbiguousPath(error))),
        };
        let mut visit = self.arrived(head, peer, route, hints);
        if visit.is_preflight {
            return Ok(visit);
        }
        self.recognise(&mut visit, peer).await?;
        if let Some(tier) = hints.tier {
            let tiers = &self.policy.tiers;
            visit.caller.tier = tiers.find(tier).unwrap_or_else(|| tiers.default_tier());
        }
        self.entered(visit)
    }

    /// Takes the charges of every limit that denies, all or none, and then those of each shadow limit alone.
    ///
    /// `reading` is that of [`Visit::take_reading`], with as much of the body as it needed. A rejection charges nothing: the
    /// body cannot be metered or has too many items, a limit is spent, or the store does not answer.
    pub async fn decide(&self, visit: &Visit<'_>, reading: Option<&Reading>) -> Outcome<S> {
        let costs = self.policy.routes.get(visit.route()).costs;
        if self.is_free(visit) {
            return Outcome::Admitted(Box::new(Pass::new(visit, None, costs)));
        }
        let body = match self.metered(visit, reading) {
            Ok(body) => body,
            Err(refusal) => return visit.refused(refusal).into(),
        };
        let bill = self.bill(visit, body.as_ref());
        // A route without limits passes whether or not the store answers.
        let permit = if bill.charges.is_empty() {
            None
        } else {
            let outage = |place: usize| self.outage(bill.limits[place]);
            match self.limiter.take_or(&bill.charges, outage).await {
                Ok(Decision::Allow(permit)) => Some(permit),
                Ok(Decision::Deny(denial)) => return visit.denied(bill, denial).into(),
                Err(error) => return visit.unanswered(error).into(),
            }
        };
        // Boxed, because it is large and goes a long way.
        let mut pass = Box::new(Pass::new(visit, bill.scale, costs));
        if let Some(estimate) = body.and_then(|body| body.estimate)
            && let (Some(usage), Some(meter)) =
                (bill.usage, self.policy.routes.get(visit.route()).meter().tokens())
        {
            pass.reserved(Reservation {
                meter: meter.clone(),
                estimate,
                usage,
                extended: 0,
                terms: self.terms(&bill),
                history: Arc::clone(&self.token_history),
                tenant: visit.caller.tenant().to_owned(),
            });
        }
        pass.charged(permit, bill.limits);
        for (id, charge) in bill.shadow {
            self.take_shadow(&mut pass, id, charge).await;
        }
        Outcome::Admitted(pass)
    }
}

impl<S: Resilient> Gate<S> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A request of which no more is known than where it goes and which address it comes from.
    fn arrived<'h>(
        &self,
        head: &'h Parts,
        peer: IpAddr,
        route: RouteMatch<'h>,
        hints: Hints<'h>,
    ) -> Visit<'h> {
        let client = text_of(self.account_ip(head, peer));
        let caller = Caller::anonymous(client, self.policy.tiers.default_tier());
        Visit {
            head,
            route,
            caller,
            hints,
            reading: None,
            measured: None,
            recorded: None,
            is_preflight: is_preflight(head),
        }
    }

    /// Checks that a known caller may use the route, and finds out if the body is needed.
    fn entered<'h>(&self, mut visit: Visit<'h>) -> Result<Visit<'h>, Rejection> {
        self.check_tier(&visit)?;
        let route = self.policy.routes.get(visit.route());
        let meter = meter(route, &visit);
        if meter.reads_body() {
            match Reading::of(&meter, visit.head, self.policy.gateway.max_body) {
                Ok(reading) => visit.reading = Some(Box::new(reading)),
                Err(refusal) => return Err(visit.refused(refusal)),
            }
        }
        Ok(visit)
    }

    /// Checks that a caller of this tier may use the route.
    fn check_tier(&self, visit: &Visit<'_>) -> Result<(), Rejection> {
        let route = self.policy.routes.get(visit.route());
        let Some(needed) = route.tier().filter(|needed| *needed != visit.caller.tier) else { return Ok(()) };
        let needed = self.policy.tiers.name(needed).to_owned();
        Err(visit.refused(Refusal::WrongTier { needed }))
    }

    fn metered(&self, visit: &Visit<'_>, reading: Option<&Reading>) -> Result<Option<Body>, Refusal> {
        if visit.is_preflight {
            return Ok(Some(Body::absent()));
        }
        if let Some(body) = &visit.measured {
            return Ok(Some(body.clone()));
        }
        let Some(reading) = reading.or(visit.reading.as_deref()) else { return Ok(None) };
        let meter = meter(self.policy.routes.get(visit.route()), visit);
        let body = reading.measured(&meter).map_err(Refusal::BadBody)?;
        match (body.items, meter.most_items) {
            (Some(items), Some(most)) if items > most => Err(Refusal::TooManyItems { items, most }),
            _ => Ok(Some(body)),
        }
    }

    /// The mode of a limit while the store is down.
    fn outage(&self, limit: LimitId) -> OutageMode {
        self.policy.limit(limit).outage()
    }

    /// The terms of the limits of tokens on a bill.
    fn terms(&self, bill: &Bill) -> SmallVec<[(LimitId, Terms); 2]> {
        let all = bill.limits.iter().chain(bill.shadow.iter().map(|(id, _)| id));
        let limits =
            all.map(|id| (*id, self.policy.limit(*id))).filter(|(_, limit)| limit.unit().is_tokens());
        limits.map(|(id, limit)| (id, limit.terms())).collect()
    }

    /// The address by which a client is told apart: of IPv6, its network.
    pub fn account_ip(&self, head: &Parts, peer: IpAddr) -> IpAddr {
        account_ip(self.client_ip.of(&head.headers, peer), self.policy.identity.ipv6_prefix)
    }

    /// One more wrong API key of a client. A key that is given tells callers apart, and not who guesses.
    fn failure(&self, failures: LimitId, visit: &Visit<'_>) -> Charge {
        let label = self.policy.routes.get(visit.route()).label();
        let attributes = visit.attributes(label, self.policy.tiers.name(visit.tier()), None);
        self.policy.limit(failures).charge(visit.tier(), None, Cost::ONE, &attributes)
    }

    /// A shadow limit decides and records, and never denies: not even when its store does not answer.
    async fn take_shadow(&self, pass: &mut Pass<S>, id: LimitId, charge: Charge) {
        match self.limiter.take_or(std::slice::from_ref(&charge), |_| self.outage(id)).await {
            Ok(Decision::Allow(permit)) => pass.shadow_allowed(id, permit),
            Ok(Decision::Deny(denial)) => pass.shadow_denied(id, charge, denial),
            Err(_) => {}
        }
    }
}

impl<S: Store> fmt::Debug for Gate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("policy", &self.policy).finish_non_exhaustive()
    }
}

fn client_ip(policy: &Policy) -> ClientIp {
    let settings = &policy.gateway;
    ClientIp::new(settings.trusted_proxies.clone(), settings.forwarded_header)
}

/// The part of a body to read: if the cost is given, no more than keys need.
fn meter<'r>(route: &'r Route, visit: &Visit<'_>) -> Cow<'r, Meter> {
    match visit.hints.cost {
        None => Cow::Borrowed(route.meter()),
        Some(_) => Cow::Owned(route.meter().of_keys()),
    }
}
