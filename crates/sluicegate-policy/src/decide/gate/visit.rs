//! A request whose head is known.

use http::request::Parts;
use sluicegate::{Denial, StoreError};

use super::{Denied, Hints, RecordedRequest, Refused, Rejection, bill::Bill};
use crate::{Body, Caller, Reading, Refusal, RequestAttributes, RouteId, RouteMatch, TierId};

/// A request whose head is known: where it goes and who sends it.
#[derive(Debug)]
pub struct Visit<'h> {
    pub(super) head: &'h Parts,
    pub(super) route: RouteMatch<'h>,
    pub(super) caller: Caller,
    pub(super) hints: Hints<'h>,
    /// The reading of the body, where the route has a meter. Boxed, because most routes have none.
    pub(super) reading: Option<Box<Reading>>,
    /// The findings in the body, if they were needed before the decision.
    pub(super) measured: Option<Body>,
    /// The log's facts about a request of the past.
    pub(super) recorded: Option<&'h RecordedRequest<'h>>,
    pub(super) is_preflight: bool,
}

impl Visit<'_> {
    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.route.route
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> &Parts {
        self.head
    }

    /// The caller's tier.
    #[must_use]
    pub fn tier(&self) -> TierId {
        self.caller.tier
    }

    /// The sender of the request.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The hints that came with the request.
    #[must_use]
    pub fn hints(&self) -> &Hints<'_> {
        &self.hints
    }

    /// Takes the reading of the body that the decision needs. Returns `None` if the head tells all, so that the body streams.
    #[must_use]
    pub fn take_reading(&mut self) -> Option<Box<Reading>> {
        self.reading.take_if(|reading| reading.needs_body())
    }

    /// The rejection of this request when it cannot be served.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Rejection {
        Rejection::refused(refusal, self.route(), self.tier())
    }

    /// The rejection of this request when a limit on its bill is spent.
    pub(super) fn denied(&self, bill: Bill, denial: Denial) -> Rejection {
        Rejection::Denied(Box::new(Denied {
            route: self.route(),
            tier: self.tier(),
            is_of_route: true,
            warmup: bill.scale,
            usage: bill.usage,
            limits: bill.limits,
            charges: bill.charges,
            denial,
        }))
    }

    /// The rejection of this request when the store does not answer.
    pub(super) fn unanswered(&self, error: StoreError) -> Rejection {
        Rejection::Refused(Box::new(Refused {
            route: self.route(),
            tier: self.tier(),
            refusal: Refusal::StoreUnavailable,
            store_error: Some(error),
        }))
    }

    pub(super) fn attributes<'f>(
        &'f self,
        route: &'f str,
        tier: &'f str,
        body: Option<&'f Body>,
    ) -> RequestAttributes<'f> {
        let api_key = self.caller.api_key.as_deref();
        RequestAttributes {
            key_hint: None,
            client: &self.caller.client,
            api_key: api_key.map(|key| key.id.as_str()),
            tenant: api_key.map(|key| key.tenant.as_str()),
            tier,
            route,
            path: &self.route.path,
            parameters: match self.hints.parameters {
                [] => &self.route.parameters,
                hinted => hinted,
            },
            method: &self.head.method,
            headers: &self.head.headers,
            query: self.head.uri.query(),
            body,
        }
    }
}
