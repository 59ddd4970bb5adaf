//! A request that may pass.

use http::{HeaderMap, request::Parts};
use sluicegate::{Permit, Store};
use smallvec::SmallVec;

use super::{Answer, Visit};
use crate::{LimitId, Refusal, RouteId, TierId, headers::Lines};

/// A request that may pass. Dropping it gives back its slots of concurrent limits: keep it until the last byte of
/// the answer is sent.
#[derive(Debug)]
pub struct Pass<S: Store> {
    route: RouteId,
    tier: TierId,
    limits: SmallVec<[LimitId; 4]>,
    shadow_denied: SmallVec<[LimitId; 1]>,
    lines: Lines,
    /// Held, not read: slots are given back when they are dropped.
    _permits: SmallVec<[Permit<S>; 1]>,
}

impl<S: Store> Pass<S> {
    /// A pass that nothing was charged for.
    pub(super) fn new(visit: &Visit<'_>) -> Self {
        Self {
            route: visit.route(),
            tier: visit.tier(),
            limits: SmallVec::new(),
            shadow_denied: SmallVec::new(),
            lines: Lines::default(),
            _permits: SmallVec::new(),
        }
    }

    pub(super) fn charged(&mut self, permit: Permit<S>, limits: SmallVec<[LimitId; 4]>, lines: Lines) {
        self._permits.push(permit);
        self.limits = limits;
        self.lines = lines;
    }

    pub(super) fn shadow_allowed(&mut self, permit: Permit<S>) {
        self._permits.push(permit);
    }

    pub(super) fn shadow_denied(&mut self, id: LimitId) {
        self.shadow_denied.push(id);
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// The caller's tier.
    #[must_use]
    pub fn tier(&self) -> TierId {
        self.tier
    }

    /// The limits that were charged, those in shadow mode aside.
    #[must_use]
    pub fn limits(&self) -> &[LimitId] {
        &self.limits
    }

    /// The shadow limits that would have denied.
    #[must_use]
    pub fn denied_in_shadow(&self) -> &[LimitId] {
        &self.shadow_denied
    }

    /// The answer to this request when the upstream fails it after all. What it was charged stays charged.
    #[must_use]
    pub fn refused(&self, refusal: Refusal, head: &Parts) -> Box<Answer> {
        Answer::refused(refusal, head, self.route, self.tier)
    }

    /// Tells the client its balances, in the headers of the upstream's answer. What the upstream says of its own
    /// limits stays.
    pub fn apply(&self, headers: &mut HeaderMap) {
        self.lines.append_to(headers);
    }
}
