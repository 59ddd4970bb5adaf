//! Taking charges of which each has its own mode in an outage.

use super::{Fallback, FallbackLease, Takers};
use crate::{Backend, Charge, Clock, Decided, Decision, Origin, OutageMode, Resilient, StoreError, Taken};

impl<S: Backend, C: Clock + Clone> Resilient for Fallback<S, C> {
    async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken<Self::Lease>>, StoreError> {
        let mut access = self.access(charges);
        let mut last_error = None;
        loop {
            if let Some(refusal) = access.refusal(&outage) {
                access.unused();
                self.counters.count(OutageMode::Deny);
                return Err(last_error.unwrap_or(refusal));
            }
            if access.is_shut() {
                return Ok(self.decide(charges, Takers::of_charges(charges.len(), &access, &outage)));
            }
            let takers = (!access.is_free()).then(|| Takers::of_charges(charges.len(), &access, &outage));
            let answer = match &takers {
                None => self.store.take_with_origin(charges).await,
                Some(takers) => self.store.take_with_origin(&takers.of_store(charges)).await,
            };
            let decision = match answer {
                Err(error) => {
                    access.failed(&error, |server| self.name(server));
                    last_error = Some(error);
                    continue;
                }
                // Only the servers' own answers show that they answer.
                Ok(Decided { decision, origin: Origin::Cache }) => {
                    access.unused();
                    decision
                }
                Ok(Decided { decision, origin: Origin::Server }) => {
                    access.succeeded();
                    decision
                }
            };
            return Ok(match (takers, decision) {
                (None, decision) => decision.map(|taken| taken.map_lease(FallbackLease::of_store)),
                (Some(takers), Decision::Allow(taken)) => self.complete(charges, takers, taken).await,
                (Some(takers), Decision::Deny(denial)) => {
                    Decision::Deny(self.denied(charges, &takers, &denial))
                }
            });
        }
    }
}
