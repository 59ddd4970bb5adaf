//! What is answered to a request that may not pass.

use bytes::Bytes;
use http::{HeaderValue, Response, request::Parts};
use sluicegate::{Charge, Denial, Key, StoreError, Wait};

use super::Visit;
use crate::{HeaderFamily, LimitId, Refusal, RouteId, TierId, cors::CorsFields, headers::Standing, problem};

/// The answer to a request that may not pass, and what to log and count of it.
#[derive(Debug)]
pub struct Answer {
    /// The whole response.
    pub response: Response<Bytes>,
    /// The route.
    pub route: RouteId,
    /// The caller's tier, as far as it was known.
    pub tier: TierId,
    /// Why.
    pub reason: Reason,
    /// What the store said instead of an answer, where that is why. For logs: the client is not told.
    pub store_error: Option<StoreError>,
}

/// Why a request may not pass.
#[derive(Debug)]
pub enum Reason {
    /// A limit is spent.
    Denied(Denied),
    /// Something is wrong with the request, or with what should serve it.
    Refused(Refusal),
    /// Nothing is wrong: a browser has asked whether a page may call, and is told what it may do.
    Preflight,
}

/// The limits that denied a request.
#[derive(Debug)]
pub struct Denied {
    /// The one with the longest wait.
    pub limit: LimitId,
    /// Its account, as it is: hash it before it is logged.
    pub key: Key,
    /// Until the same request passes.
    pub wait: Wait,
    /// All that denied.
    pub limits: Vec<LimitId>,
}

impl Answer {
    pub(super) fn refused(refusal: Refusal, head: &Parts, route: RouteId, tier: TierId) -> Box<Self> {
        let response = problem::refused(&refusal, head);
        Box::new(Self { response, route, tier, reason: Reason::Refused(refusal), store_error: None })
    }

    /// Lets the page read the answer that has sent the request, where `[cors]` does.
    pub(super) fn shared(mut self: Box<Self>, cors: Option<&CorsFields>) -> Box<Self> {
        if let Some(cors) = cors {
            cors.append_to(self.response.headers_mut());
        }
        self
    }

    /// `limits`, `charges` and `standings` are those that were judged, index by index with the denial's balances.
    /// `policy` is their `RateLimit-Policy` line, if it has been worked out before.
    pub(super) fn denied(
        visit: &Visit<'_>,
        families: &[HeaderFamily],
        limits: &[LimitId],
        charges: &[Charge],
        standings: &[Standing<'_>],
        policy: Option<&HeaderValue>,
        denial: &Denial,
    ) -> Box<Self> {
        let response = problem::denied(visit.head, families, standings, policy, denial);
        let denied = limits.iter().zip(&denial.balances).filter(|(_, balance)| !balance.wait.fits());
        let reason = Reason::Denied(Denied {
            limit: limits[denial.charge],
            key: charges[denial.charge].key.clone(),
            wait: denial.wait,
            limits: denied.map(|(id, _)| *id).collect(),
        });
        let (route, tier) = (visit.route(), visit.tier());
        Box::new(Self { response, route, tier, reason, store_error: None }).shared(visit.cors.as_deref())
    }
}
