//! The charges of one request.

use sluicegate::{Charge, Resilient};
use smallvec::SmallVec;

use super::{Gate, Visit};
use crate::{Body, LimitId, Mode, RequestAttributes, Reserved, Scale, Usage};

/// The charges of one request: on the limits that deny, index by index, and on each shadow limit.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) limits: SmallVec<[LimitId; 2]>,
    pub(super) charges: SmallVec<[Charge; 2]>,
    pub(super) shadow: Vec<(LimitId, Charge)>,
    /// The tokens that the request may use, where its route meters them.
    pub(super) usage: Option<Usage>,
    /// Of every quota, while the upstream warms up.
    pub(super) scale: Option<Scale>,
}

impl<S: Resilient> Gate<S> {
    /// Writes the bill of a request. A limit whose cost a log does not tell is not on it.
    pub(super) fn bill(&self, visit: &Visit<'_>, body: Option<&Body>) -> Bill {
        let scale = visit.recorded.map_or_else(|| self.scale(), |recorded| recorded.warmup);
        let usage = self.estimated(visit, body);
        let mut bill = Bill { scale, usage, ..Bill::default() };
        let route = self.policy.routes.get(visit.route());
        let attributes = visit.attributes(route.label(), self.policy.tiers.name(visit.tier()), body);
        let attributes = RequestAttributes { key_hint: visit.hints.key, ..attributes };
        let metered = usage.zip(route.meter().tokens()).zip(body.and_then(Body::estimate));
        let reserved =
            metered.map(|((usage, meter), estimate)| Reserved::of(&usage, meter.weights(), estimate));
        for id in route.limits() {
            let limit = self.policy.limit(*id);
            let tokens = reserved
                .and_then(|reserved| limit.terms().reserve.cost(&limit.quota(visit.tier()), reserved));
            let cost = match visit.recorded {
                None => tokens.unwrap_or_else(|| route.cost(limit.unit(), body, visit.hints.cost)),
                Some(recorded) => match recorded.cost(*id, limit.unit(), route, tokens) {
                    Some(cost) => cost,
                    None => continue,
                },
            };
            bill.add(*id, limit.mode(), limit.charge(visit.tier(), scale, cost, &attributes));
        }
        bill
    }

    /// The tokens that a request may use, where its route meters them and nobody gives its cost.
    fn estimated(&self, visit: &Visit<'_>, body: Option<&Body>) -> Option<Usage> {
        let meter = self.policy.routes.get(visit.route()).meter().tokens()?;
        let estimate = body.filter(|_| visit.hints.cost.is_none())?.estimate()?;
        let (history, tenant) = (&self.token_history, visit.caller.tenant());
        let output = history.output(tenant, estimate, meter.default_output);
        Some(Usage::text(history.input(tenant, estimate), output))
    }
}

impl Bill {
    fn add(&mut self, id: LimitId, mode: Mode, charge: Charge) {
        match mode {
            Mode::Enforce => {
                self.limits.push(id);
                self.charges.push(charge);
            }
            Mode::Shadow => self.shadow.push((id, charge)),
        }
    }
}
