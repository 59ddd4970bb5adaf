//! Parts of responses that all requests of a route share, made once.

use http::HeaderValue;

use super::{headers::policy_line, problem::spent_until};
use crate::{Dialect, Limit, LimitId, Mode, Policy, Route, RouteId, TierId, TokenMeter};

/// Parts of responses that all requests of a route share.
#[derive(Debug)]
pub(super) struct ResponseTemplates {
    /// The limits' names by their ids. Clients read them as words, and a hyphen is in none.
    names: Vec<String>,
    /// The `RateLimit-Policy` line of each route for each tier, by their ids.
    lines: Vec<Vec<Option<HeaderValue>>>,
    /// The beginnings of the details of denials by each limit, for each tier, by their ids.
    spent: Vec<Box<[String]>>,
    /// The dialect of each route whose tokens are metered.
    dialects: Vec<Option<Dialect>>,
}

impl ResponseTemplates {
    pub(super) fn of(policy: &Policy) -> Self {
        let names: Vec<_> = policy.limits.iter().map(|limit| limit.name().replace('-', "_")).collect();
        let lines =
            |route: &Route| policy.tiers.ids().map(|tier| line(policy, &names, route, tier)).collect();
        let lines = policy.routes.as_slice().iter().map(lines).collect();
        let spent_by = |(limit, name): (&Limit, &String)| {
            policy.tiers.ids().map(|tier| spent_until(name, &limit.quota(tier))).collect()
        };
        let spent = policy.limits.iter().zip(&names).map(spent_by).collect();
        let dialect = |route: &Route| route.meter().tokens().and_then(TokenMeter::dialect);
        let dialects = policy.routes.as_slice().iter().map(dialect).collect();
        Self { names, lines, spent, dialects }
    }

    /// A limit's name, as headers and problems write it.
    pub(super) fn name(&self, limit: LimitId) -> &str {
        self.names.get(limit.index()).map_or("", String::as_str)
    }

    /// The parts for this tier on a route.
    pub(super) fn configured(&self, route: RouteId, tier: TierId) -> Configured<'_> {
        Configured { policy: self.policy_line(route, tier), spent: &self.spent, tier }
    }

    /// The dialect of a route whose tokens are metered.
    pub(super) fn dialect(&self, route: RouteId) -> Option<Dialect> {
        *self.dialects.get(route.index())?
    }

    /// The `RateLimit-Policy` line of a route's limits with their configured quotas.
    pub(super) fn policy_line(&self, route: RouteId, tier: TierId) -> Option<&HeaderValue> {
        self.lines.get(route.index())?.get(tier.index())?.as_ref()
    }
}

/// Parts of the responses to one tier on a route whose quotas are as configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Configured<'t> {
    /// The `RateLimit-Policy` line, in the order of the route's limits.
    pub(super) policy: Option<&'t HeaderValue>,
    spent: &'t [Box<[String]>],
    tier: TierId,
}

impl<'t> Configured<'t> {
    /// The beginning of the detail of a denial by this limit.
    pub(super) fn spent(&self, limit: LimitId) -> &'t str {
        let tiers = self.spent.get(limit.index());
        tiers.and_then(|tiers| tiers.get(self.tier.index())).map_or("", String::as_str)
    }
}

fn line(policy: &Policy, names: &[String], route: &Route, tier: TierId) -> Option<HeaderValue> {
    let enforced = route.limits().iter().filter(|id| policy.limit(**id).mode() == Mode::Enforce);
    policy_line(enforced.map(|id| (names[id.index()].as_str(), policy.limit(*id).quota(tier))))
}
