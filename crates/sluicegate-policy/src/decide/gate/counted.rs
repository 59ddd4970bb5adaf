//! The input of a request as its model server counts it, before the decision.

use sluicegate::{Charge, Cost, Decision, OutageMode, Resilient};
use smallvec::SmallVec;

use super::{Gate, Visit};
use crate::{Body, CountRequest, Reading};

impl<S: Resilient> Gate<S> {
    /// Returns the request by which to ask the upstream for the tokens of this one's input. [`Visit::counted`] takes the answer.
    ///
    /// `None` unless the route has a [count](crate::InputCount), its limits reserve the input, and none of them is spent: looking
    /// at their balances charges nothing. So a caller that gets denials causes little work at the upstream.
    pub async fn count_request(
        &self,
        visit: &mut Visit<'_>,
        reading: Option<&Reading>,
    ) -> Option<CountRequest> {
        let route = self.policy.routes.get(visit.route());
        let (count, tokens) = (route.meter().input_count()?, route.meter().tokens()?);
        if self.is_free(visit) || !self.policy.reserves_input(route) {
            return None;
        }
        let body = self.metered(visit, reading).ok()??;
        let (path, json) = reading?.json()?;
        let request = CountRequest::of(count, tokens.dialect()?, path, json, body.estimate()?)?;
        let is_spent = self.is_spent(visit, &body).await;
        visit.measured = Some(body);
        (!is_spent).then_some(request)
    }

    /// Returns `true` if the request is denied even if its input is half of the estimate: few texts have less.
    async fn is_spent(&self, visit: &Visit<'_>, body: &Body) -> bool {
        let mut least = body.clone();
        least.counted(body.estimate().map_or(0, |estimate| estimate.input / 2));
        let bill = self.bill(visit, Some(&least));
        let looks: SmallVec<[Charge; 2]> =
            bill.charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect();
        match self.limiter.take_or(&looks, |_| OutageMode::Deny).await {
            Ok(Decision::Allow(permit)) => {
                let mut balances = permit.balances().iter().zip(&bill.charges);
                balances.any(|(balance, charge)| Cost::new(balance.remaining) < charge.cost)
            }
            Ok(Decision::Deny(_)) | Err(_) => true,
        }
    }
}

impl Visit<'_> {
    /// Takes the tokens of its input, as the upstream has counted them by a [request](Gate::count_request).
    pub fn counted(&mut self, tokens: u64) {
        if let Some(body) = &mut self.measured {
            body.counted(tokens);
        }
    }
}
