//! The outcomes of a request at the gate, as values. Rendering them is for the way in.

use sluicegate::{Balance, Charge, Cost, Denial, Key, Quota, Store, StoreError, Wait};
use smallvec::SmallVec;

use super::Pass;
use crate::{LimitId, Refusal, RouteId, Scale, TierId, Usage, answer::whole_seconds::retry_after};

/// The gate's decision on a request.
#[derive(Debug)]
pub enum Outcome<S: Store> {
    /// The request may pass.
    Admitted(Box<Pass<S>>),
    /// It may not.
    Rejected(Rejection),
}

/// The reason why a request goes no further than the gate.
#[derive(Debug)]
pub enum Rejection {
    /// A limit is spent.
    Denied(Box<Denied>),
    /// Something is wrong with the request, or with the service that has to decide it.
    Refused(Box<Refused>),
    /// Nothing is wrong: the gate itself answers a browser that asks whether a page may call.
    Preflight {
        /// The route.
        route: RouteId,
        /// The caller's tier.
        tier: TierId,
    },
}

/// A denial: the limits that judged a request, of which at least one is spent.
#[derive(Debug)]
pub struct Denied {
    pub(super) route: RouteId,
    pub(super) tier: TierId,
    pub(super) limits: SmallVec<[LimitId; 2]>,
    pub(super) charges: SmallVec<[Charge; 2]>,
    pub(super) denial: Denial,
    /// The tokens that the request may use, where its route meters them.
    pub(super) usage: Option<Usage>,
    /// The limits are those of the route.
    pub(super) is_of_route: bool,
    /// The scale of all limits, if the upstream was warming up.
    pub(super) warmup: Option<Scale>,
}

/// A refusal of one request.
#[derive(Debug)]
pub struct Refused {
    /// The route.
    pub route: RouteId,
    /// The caller's tier, as far as it was known.
    pub tier: TierId,
    /// The reason.
    pub refusal: Refusal,
    /// The store's error, where that is the reason. For logs: the client is not told.
    pub store_error: Option<StoreError>,
}

impl<S: Store> Outcome<S> {
    /// Returns `true` if the request may pass.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted(_))
    }

    /// The pass of an admitted request, or the rejection.
    ///
    /// # Errors
    ///
    /// The rejection.
    pub fn into_result(self) -> Result<Box<Pass<S>>, Rejection> {
        match self {
            Self::Admitted(pass) => Ok(pass),
            Self::Rejected(rejection) => Err(rejection),
        }
    }
}

impl<S: Store> From<Rejection> for Outcome<S> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Rejection {
    pub(super) fn refused(refusal: Refusal, route: RouteId, tier: TierId) -> Self {
        Self::Refused(Box::new(Refused { route, tier, refusal, store_error: None }))
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        match self {
            Self::Denied(denied) => denied.route,
            Self::Refused(refused) => refused.route,
            Self::Preflight { route, .. } => *route,
        }
    }

    /// The caller's tier, as far as it was known.
    #[must_use]
    pub fn tier(&self) -> TierId {
        match self {
            Self::Denied(denied) => denied.tier,
            Self::Refused(refused) => refused.tier,
            Self::Preflight { tier, .. } => *tier,
        }
    }

    /// A word for programs, as in the responses' `error` object and in logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "rate_limit_exceeded",
            Self::Refused(refused) => refused.refusal.code(),
            Self::Preflight { .. } => "preflight",
        }
    }
}

impl Denied {
    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// The caller's tier, as far as it was known.
    #[must_use]
    pub fn tier(&self) -> TierId {
        self.tier
    }

    /// The limit with the longest wait.
    #[must_use]
    pub fn limit(&self) -> LimitId {
        self.limits[self.denial.charge]
    }

    /// The key of that limit's account, in clear: hash it before you log it.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.charges[self.denial.charge].key
    }

    /// The quota of that limit, as it is now.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.charges[self.denial.charge].quota
    }

    /// The cost of the request on that limit, as it was measured.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.charges[self.denial.charge].cost
    }

    /// The balance of that limit's account.
    #[must_use]
    pub fn balance(&self) -> &Balance {
        &self.denial.balances[self.denial.charge]
    }

    /// The time until the same request passes.
    #[must_use]
    pub fn wait(&self) -> Wait {
        self.denial.wait
    }

    /// The same time in whole seconds, rounded up and at least one, as the client sees it. `None` if waiting never helps.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        retry_after(self.wait())
    }

    /// The limits that are spent.
    pub fn spent(&self) -> impl Iterator<Item = LimitId> {
        let rows = self.limits.iter().zip(&self.denial.balances);
        rows.filter(|(_, balance)| !balance.wait.fits()).map(|(id, _)| *id)
    }

    /// The tokens that the request may use, if its route meters them.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// All limits that judged the request.
    #[must_use]
    pub fn limits(&self) -> &[LimitId] {
        &self.limits
    }

    /// The charges that it would have taken, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// The balance of each, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.denial.balances
    }

    /// The scale of all limits, if the upstream was warming up: then it makes them smaller than the policy says.
    #[must_use]
    pub fn warmup(&self) -> Option<Scale> {
        self.warmup
    }

    /// Returns `true` if the quotas are those that the policy gives the route's limits.
    pub(crate) fn has_configured_quotas(&self) -> bool {
        self.is_of_route && self.warmup.is_none()
    }
}
