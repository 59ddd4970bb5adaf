//! The input of a request as its model server counts it, before the decision.

use sluicegate::{Charge, Cost, Decision, OutageMode, Resilient};
use smallvec::SmallVec;

use super::{Gate, Visit};
use crate::{Body, CountRequest, Reading, Tokenization};

/// The way to have the input of one request counted.
#[derive(Clone, Debug)]
pub enum Counting {
    /// The upstream is asked.
    Upstream(CountRequest),
    /// The model's own tokenizer counts.
    Tokenizer(Tokenization),
}

impl<S: Resilient> Gate<S> {
    /// Returns the way to have the input of a request counted. [`Visit::counted`] takes the tokens.
    ///
    /// `None` unless the route's [meter](crate::Meter::counts_input) says so, its limits reserve the input, and none of them is
    /// spent. Looking at their balances charges nothing. So a caller that gets denials causes little work.
    pub async fn counting(&self, visit: &mut Visit<'_>, reading: Option<&Reading>) -> Option<Counting> {
        let route = self.policy.routes.get(visit.route());
        let (meter, tokens) = (route.meter(), route.meter().tokens()?);
        if !meter.counts_input() || self.is_free(visit) || !self.policy.reserves_input(route) {
            return None;
        }
        let body = self.metered(visit, reading).ok()??;
        let (path, json) = reading?.json()?;
        let dialect = tokens.dialect()?;
        let counting = if let Some(tokenizer) = meter.tokenizer() {
            let (tokenizer, path) = (tokenizer.clone(), path.to_owned());
            Counting::Tokenizer(Tokenization { tokenizer, dialect, path, body: json })
        } else {
            let count = meter.input_count()?;
            Counting::Upstream(CountRequest::of(count, dialect, path, &json, body.estimate()?)?)
        };
        let is_spent = self.is_spent(visit, &body).await;
        visit.measured = Some(body);
        (!is_spent).then_some(counting)
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
    /// Takes the tokens of its input, as they were [counted](Gate::counting).
    pub fn counted(&mut self, tokens: u64) {
        if let Some(body) = &mut self.measured {
            body.counted(tokens);
        }
    }
}
