//! Stand-in for the policy's gate.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request::Parts};
use sluicegate::SystemClock;
use sluicegate_policy::{Policy, RouteId, TierId};

pub(crate) struct Gate {
    pub(crate) policy: Policy,
    pub(crate) clock: SystemClock,
}

pub(crate) struct Visit {
    read: Option<u64>,
    route: RouteId,
    tier: TierId,
}

pub(crate) struct Pass;

pub(crate) struct Answer {
    pub(crate) response: Response<Bytes>,
    pub(crate) denied: bool,
}

impl Gate {
    pub(crate) async fn enter(&self, head: &Parts, _peer: IpAddr) -> Result<Visit, Answer> {
        let policy = &self.policy;
        let read = head.uri.path().starts_with("/read").then_some(policy.gateway.max_body);
        Ok(Visit { read, route: policy.routes.unmatched(), tier: policy.tiers.default_tier() })
    }

    pub(crate) async fn decide(
        &self,
        _visit: &Visit,
        head: &Parts,
        _body: Option<&Bytes>,
    ) -> Result<Pass, Answer> {
        if head.uri.path().starts_with("/deny") {
            return Err(Answer { denied: true, ..answer(StatusCode::TOO_MANY_REQUESTS, "denied") });
        }
        Ok(Pass)
    }
}

impl Visit {
    pub(crate) fn route(&self) -> RouteId {
        self.route
    }

    pub(crate) fn tier(&self) -> TierId {
        self.tier
    }

    pub(crate) fn body_limit(&self) -> Option<u64> {
        self.read
    }
}

impl Pass {
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }
}

pub(crate) fn answer(status: StatusCode, detail: &str) -> Answer {
    let mut response = Response::new(Bytes::from(detail.to_owned()));
    *response.status_mut() = status;
    Answer { response, denied: false }
}
