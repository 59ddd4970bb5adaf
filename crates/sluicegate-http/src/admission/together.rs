//! Requests that are admitted together or not at all.

use sluicegate::{Clock, Resilient, StoreError, Timestamp};
use sluicegate_policy::{Pass, Together, Visit};

use super::{Admission, Entry};
use crate::decision_log::Asked;

impl<S: Resilient, C: Clock> Admission<S, C> {
    /// Decides several requests that have entered, [together](sluicegate_policy::Gate::decide_together). An admitted one ends
    /// here: nobody tells more of it.
    ///
    /// Each request that is admitted or rejected is counted and logged by itself. Those that are spared are not: they wait
    /// for the others, and ask again.
    pub async fn decide_together<'a>(&'a self, entries: Vec<Entry<'a, S, C>>) -> Vec<Together<S>> {
        let Some(began) = entries.iter().map(|entry| entry.began).min() else { return Vec::new() };
        let visits: Vec<Visit<'a>> = entries.into_iter().map(|entry| entry.visit).collect();
        let outcomes = self.gate.decide_together(&visits).await;
        let decided = self.clock.now();
        let mut counted = Vec::with_capacity(outcomes.len());
        for (visit, outcome) in visits.iter().zip(outcomes) {
            counted.push(match outcome {
                Together::Admitted(pass) => {
                    self.passed(visit, &pass, began, decided);
                    Together::Admitted(pass)
                }
                Together::Rejected(rejection) => {
                    if let Some(log) = &self.log {
                        log.rejected(&Asked::of(visit), &rejection);
                    }
                    Together::Rejected(self.counted(rejection))
                }
                Together::Spared(spared) => Together::Spared(spared),
            });
        }
        counted
    }

    /// Counts and logs a request that is admitted and over at once.
    fn passed(&self, visit: &Visit<'_>, pass: &Pass<S>, began: Timestamp, decided: Timestamp) {
        self.metrics.passed(pass, decided.since(began));
        if let Some(busiest) = &self.busiest
            && busiest.counts(|| decided).is_some()
        {
            busiest.passed(pass, decided);
        }
        if let Some(log) = &self.log {
            let logged = log.admitted(visit, pass);
            log.ended(&logged, pass, None);
        }
    }
}

impl<S: Resilient, C: Clock> Entry<'_, S, C> {
    /// Charges [what the request has used](sluicegate_policy::Gate::charge_actual). It counts as admitted.
    ///
    /// # Errors
    ///
    /// If the store does not respond.
    pub async fn charge_actual(self) -> Result<Box<Pass<S>>, StoreError> {
        let Self { admission, visit, began } = self;
        let pass = admission.gate.charge_actual(&visit).await?;
        admission.passed(&visit, &pass, began, admission.clock.now());
        Ok(pass)
    }

    /// Gives back [what it was charged before](sluicegate_policy::Gate::refund). That is no decision, and is not counted.
    ///
    /// # Errors
    ///
    /// If the store does not respond.
    pub async fn refund(self) -> Result<(), StoreError> {
        self.admission.gate.refund(&self.visit).await
    }
}
