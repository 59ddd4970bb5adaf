//! Preflights at the gate. A browser sends them by itself, without credentials, before the call that a page makes.

use http::request::Parts;
use sluicegate::Store;

use super::{Answer, Gate, Reason, Visit};
use crate::{Preflight, Refusal, cors::CorsFields};

impl<S: Store> Gate<S> {
    /// Lets a preflight go on to the upstream, or answers it.
    pub(super) fn preflight<'h>(&self, visit: Visit<'h>) -> Result<Visit<'h>, Box<Answer>> {
        let Some(cors) = self.policy.cors.as_ref().filter(|cors| cors.preflight == Preflight::Answer) else {
            return Ok(visit);
        };
        match visit.cors.as_deref().filter(|fields| fields.is_allowed()) {
            None => Err(visit.refused(Refusal::ForeignOrigin)),
            Some(fields) => Err(Box::new(Answer {
                response: cors.preflight_answer(visit.head, fields),
                route: visit.route(),
                tier: visit.tier(),
                reason: Reason::Preflight,
                store_error: None,
            })),
        }
    }

    /// Returns `true` if the request is charged nothing because it is a preflight.
    pub(super) fn is_free(&self, visit: &Visit<'_>) -> bool {
        visit.is_preflight && !self.policy.cors.as_ref().is_some_and(|cors| cors.charge_preflights)
    }

    /// The fields by which browsers let a page read the responses to this request, where the policy has `[cors]`.
    pub(super) fn cors(&self, head: &Parts) -> Option<Box<CorsFields>> {
        self.policy.cors.as_ref().map(|cors| Box::new(CorsFields::of(cors, head)))
    }
}
