//! Preflights at the gate. A browser sends them by itself, without credentials, before the call that a page makes.

use sluicegate::Resilient;

use super::{Gate, Rejection, Visit};
use crate::{Preflight, Refusal, decide::cors::CorsFields};

impl<S: Resilient> Gate<S> {
    /// Lets a preflight go on to the upstream, or decides it here.
    pub(super) fn preflight<'h>(&self, visit: Visit<'h>) -> Result<Visit<'h>, Rejection> {
        let Some(cors) = self.policy.cors.as_ref().filter(|cors| cors.preflight == Preflight::Answer) else {
            return Ok(visit);
        };
        if CorsFields::of(cors, visit.head).is_allowed() {
            Err(Rejection::Preflight { route: visit.route(), tier: visit.tier() })
        } else {
            Err(visit.refused(Refusal::ForeignOrigin))
        }
    }

    /// Returns `true` if the request is charged nothing because it is a preflight.
    pub(super) fn is_free(&self, visit: &Visit<'_>) -> bool {
        visit.is_preflight && !self.policy.cors.as_ref().is_some_and(|cors| cors.charge_preflights)
    }
}
