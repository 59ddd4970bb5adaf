//! Decisions on requests of the past, as a log tells of them.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use http::request::Parts;
use sluicegate::{Cost, Resilient, Store, StoreError, Unit};
use smallvec::SmallVec;

use super::{Extension, Gate, Hints, Outcome, Pass, Visit, pass::give_back};
use crate::{ApiKey, Body, Estimate, JsonPointer, LimitId, Refusal, Route, Scale, TokenClass, Usage};

/// A request of the past: the facts that a log holds about it.
///
/// [`Gate::decide_recorded`] decides it by the code that decides live requests. Nobody verifies an API key, and no body is
/// read: the log tells what came of both.
#[derive(Clone, Copy, Debug)]
pub struct RecordedRequest<'a> {
    /// The method, the target, and those headers that the log holds.
    pub head: &'a Parts,
    /// The peer's address, or a text that stands for the client's address, such as a hash. Empty if the log does not tell:
    /// then all such requests come from one client.
    pub client: &'a str,
    /// The API key.
    pub api_key: Option<&'a Arc<ApiKey>>,
    /// The tier. It wins over that of the API key, and a tier that does not exist is the default tier.
    pub tier: Option<&'a str>,
    /// Values of the body that keys are made of.
    pub values: &'a [(JsonPointer, String)],
    /// Costs that the log tells limit by limit. They come before all others.
    pub charges: &'a [(LimitId, Cost)],
    /// Costs by unit. A slot of a concurrent limit costs one; without it, the log does not tell how long the request ran.
    pub costs: &'a [(Unit, Cost)],
    /// Tokens of the input and the output. They are reserved by the terms of each limit, and make a
    /// [`Reservation`](crate::Reservation).
    pub tokens: Option<Usage>,
    /// The scale of all limits, if the upstream was warming up.
    pub warmup: Option<Scale>,
    /// Set for a browser's preflight, which is charged only if the policy says so.
    pub is_preflight: bool,
}

impl<S: Resilient> Gate<S> {
    /// Decides a request of the past as [`enter`](Self::enter) and [`decide`](Self::decide) decide a live one.
    ///
    /// A limit whose cost the log does not tell takes no part in the decision. Its charge is missing from the outcome, too.
    ///
    /// ```
    /// # use http::Request;
    /// # use sluicegate::{Cost, ManualClock, MemoryStore, Unit};
    /// # use sluicegate_policy::{Gate, Policy, RecordedRequest, Source};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "[[route]]\npath = \"/embed\"\nmeter = { items = \"/inputs\" }\nlimits = [\"10/minute\", \"8 items/minute\"]";
    /// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
    /// let gate = Gate::new(policy, MemoryStore::new(), ManualClock::new());
    ///
    /// let (head, ()) = Request::post("/embed").body(())?.into_parts();
    /// let request = RecordedRequest { costs: &[(Unit::Items, Cost::new(5))], ..RecordedRequest::new(&head, "192.0.2.7") };
    /// assert!(gate.decide_recorded(&request).await.is_admitted());
    /// assert!(!gate.decide_recorded(&request).await.is_admitted());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn decide_recorded<'r>(&self, request: &'r RecordedRequest<'r>) -> Outcome<S> {
        let RecordedRequest { head, client, .. } = *request;
        let route = match self.policy.routes.find(&head.method, head.uri.path()) {
            Ok(route) => route,
            Err(error) => return self.refused(Refusal::AmbiguousPath(error)).into(),
        };
        let address: Option<IpAddr> = client.parse().ok();
        let peer = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut visit = self.arrived(head, peer, route, Hints::default());
        if address.is_none() {
            client.clone_into(&mut visit.caller.client);
        }
        visit.is_preflight = request.is_preflight;
        self.recall(&mut visit, request, peer);
        if let Err(rejection) = self.check_tier(&visit) {
            return rejection.into();
        }
        let route = self.policy.routes.get(visit.route());
        let body = request.body(route);
        if let (Some(items), Some(most)) = (body.items, route.meter().most_items)
            && items > most
        {
            return visit.refused(Refusal::TooManyItems { items, most }).into();
        }
        visit.measured = Some(body);
        visit.recorded = Some(request);
        self.decide(&visit, None).await
    }

    /// Recognises the caller by the log's facts.
    fn recall(&self, visit: &mut Visit<'_>, request: &RecordedRequest<'_>, peer: IpAddr) {
        let tiers = &self.policy.tiers;
        let of_key = request.api_key.and_then(|key| key.tier.as_deref());
        visit.caller.api_key = request.api_key.cloned();
        if let Some(tier) = request.tier.or(of_key) {
            visit.caller.tier = tiers.find(tier).unwrap_or_else(|| tiers.default_tier());
        } else if request.api_key.is_none()
            && let Some(tier) = self.header_tier(&visit.head.headers, peer)
        {
            visit.caller.tier = tier;
        }
    }
}

impl<S: Store> Pass<S> {
    /// Returns the tokens that a log says were taken while the response came, limit by limit.
    #[must_use]
    pub fn recorded_extension(&self, taken: &[(LimitId, Cost)]) -> Option<Extension> {
        let cost = |id: &LimitId| taken.iter().find(|(known, _)| known == id).map(|(_, cost)| *cost);
        let rows = self.limits.iter().zip(self.charges());
        let (limits, charges): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) =
            rows.filter_map(|(id, charge)| Some((*id, charge.clone().cost(cost(id)?)))).unzip();
        (!limits.is_empty()).then_some(Extension { limits, charges })
    }

    /// [Settles](Self::settle) limit by limit: `actual` gives the final charge of a limit, or `None` if it stays as it is.
    /// Charges that were taken while the response came are given back, and so are slots.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub async fn settle_limits(mut self, actual: impl Fn(LimitId) -> Option<Cost>) -> Result<(), StoreError> {
        let extensions = std::mem::take(&mut self.extensions);
        self.settle_by(|limit, charge| actual(limit).filter(|_| charge.quota.unit() != Unit::Concurrent))
            .await?;
        give_back(extensions, |_| true).await
    }
}

impl<'a> RecordedRequest<'a> {
    /// A request of which no more is known than its head and its client.
    #[must_use]
    pub fn new(head: &'a Parts, client: &'a str) -> Self {
        Self {
            head,
            client,
            api_key: None,
            tier: None,
            values: &[],
            charges: &[],
            costs: &[],
            tokens: None,
            warmup: None,
            is_preflight: false,
        }
    }

    /// The cost on a limit that counts this unit. `None` if the log does not tell it.
    pub(super) fn cost(
        &self,
        id: LimitId,
        unit: Unit,
        route: &Route,
        reserved: Option<Cost>,
    ) -> Option<Cost> {
        if unit != Unit::Concurrent && !route.costs.are_metered(unit, None) {
            return Some(route.cost(unit, None, None));
        }
        let charged = self.charges.iter().find(|(known, _)| *known == id).map(|(_, cost)| *cost);
        charged
            .or(reserved)
            .or_else(|| self.costs.iter().find(|(known, _)| *known == unit).map(|(_, cost)| *cost))
    }

    /// The body, as the route's meter would have found it.
    fn body(&self, route: &Route) -> Body {
        let count = |unit| self.costs.iter().find(|(known, _)| *known == unit).map(|(_, cost)| cost.units());
        let estimate = self.tokens.filter(|_| route.meter().tokens().is_some()).map(|usage| {
            let input = usage.of(TokenClass::Input);
            let max_output = Some(usage.of(TokenClass::Output));
            Box::new(Estimate {
                input,
                counted: Some(input),
                max_output,
                prompts: 1,
                choices: 1,
                ..Estimate::default()
            })
        });
        Body {
            items: count(Unit::Items),
            bytes: count(Unit::Bytes).unwrap_or_default(),
            values: self
                .values
                .iter()
                .map(|(pointer, value)| (pointer.clone(), Some(value.clone())))
                .collect(),
            estimate,
            is_absent: false,
        }
    }
}
