//! The tokens that one request has reserved, until its usage is known.

use std::sync::Arc;

use bytes::Bytes;
use http::response;
use sluicegate::{Charge, Cost, Unit};
use smallvec::SmallVec;

use crate::{
    Actual, Dialect, Estimate, LimitId, Reserved, ResponseMeter, Terms, TokenClass, TokenHistory, TokenMeter,
    TokenWeights, Usage, ask_for_usage,
};

/// The tokens that one request has reserved, until its usage is known.
#[derive(Debug)]
pub struct Reservation {
    pub(super) meter: TokenMeter,
    pub(super) estimate: Box<Estimate>,
    /// Before weights.
    pub(super) usage: Usage,
    /// Output tokens that were taken while the answer came.
    pub(super) extended: u64,
    /// Of each limit that counts tokens.
    pub(super) terms: SmallVec<[(LimitId, Terms); 2]>,
    /// Learns from what the request has used.
    pub(super) history: Arc<TokenHistory>,
    pub(super) tenant: String,
}

/// The end of an admitted request whose tokens are metered.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'m> {
    /// The upstream did no work for it: it could not be reached, or refused it.
    Unserved,
    /// No answer has come: the client left before its head, or the upstream took too long.
    Unanswered,
    /// An application has told the usage itself.
    Told(Usage),
    /// An answer has come, as a whole or in part.
    Answered(&'m ResponseMeter),
}

/// The tokens for which a request is charged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settlement {
    /// Those that it has used.
    Used(Actual),
    /// Those that it has reserved: nobody knows what it has used.
    Reserved,
}

impl Reservation {
    /// The dialect of the request and its answer. `None` if the policy points to their tokens.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.meter.dialect()
    }

    /// The estimate that its body gave.
    #[must_use]
    pub fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// The tokens that limits which reserve all have taken.
    #[must_use]
    pub fn reserved(&self) -> Reserved {
        Reserved::of(&self.usage, &self.meter.weights, &self.estimate)
    }

    /// The usage that was reserved, before weights.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns the weighted tokens that a limit on all of them is charged after this settlement, debt aside.
    #[must_use]
    pub fn charged(&self, settlement: &Settlement) -> u64 {
        match settlement {
            Settlement::Used(actual) => actual.usage.total(&self.meter.weights),
            Settlement::Reserved => self.usage.total(&self.meter.weights),
        }
    }

    /// Returns the meter of the response with this head.
    #[must_use]
    pub fn response_meter(&self, head: &response::Parts) -> ResponseMeter {
        // What nobody reports is the input that was reserved.
        let estimate =
            Estimate { input: self.usage.of(TokenClass::Input), ..Estimate::clone(&self.estimate) };
        ResponseMeter::new(&self.meter, head, &estimate)
    }

    /// Returns the request's body with a wish for the usage of its stream, if the dialect has such a wish and the body has
    /// none.
    #[must_use]
    pub fn asking_for_usage(&self, body: &[u8]) -> Option<Bytes> {
        let is_silent = self.estimate.streams && !self.estimate.asks_for_usage;
        if is_silent && self.dialect() == Some(Dialect::OpenAi) { ask_for_usage(body) } else { None }
    }

    /// Returns the tokens for which the request is charged, and learns from them if the server has reported the usage of a whole
    /// answer.
    ///
    /// A client that leaves a stream pays the input and what was produced until then. A client that leaves before the answer
    /// to a request without a stream may have caused any of the output that it asked for, and pays what it has reserved.
    #[must_use]
    pub fn settlement(&self, ending: Ending<'_>) -> Settlement {
        match ending {
            Ending::Unserved => Settlement::Used(Actual::counted(Usage::default())),
            Ending::Unanswered if self.estimate.streams => {
                Settlement::Used(Actual::counted(self.usage.with(TokenClass::Output, 0)))
            }
            Ending::Unanswered => Settlement::Reserved,
            Ending::Told(usage) => Settlement::Used(Actual::told(usage)),
            Ending::Answered(meter) => {
                let Some(actual) = meter.actual() else { return Settlement::Reserved };
                if meter.is_complete() && actual.is_reported() {
                    self.learn(&actual.usage);
                }
                Settlement::Used(actual)
            }
        }
    }

    fn learn(&self, usage: &Usage) {
        let unweighted = TokenWeights::default();
        let (input, output) = (usage.input(&unweighted), usage.output(&unweighted));
        self.history.record(&self.tenant, &self.estimate, input, output);
    }

    /// The terms of a limit, if it counts tokens.
    pub(super) fn terms(&self, limit: LimitId) -> Option<&Terms> {
        self.terms.iter().find(|(known, _)| *known == limit).map(|(_, terms)| terms)
    }

    /// The cost of this usage on a limit of which so much has been `taken`. `None` if the limit counts no tokens.
    pub(super) fn cost(&self, limit: LimitId, charge: &Charge, taken: Cost, actual: &Actual) -> Option<Cost> {
        let debt = self.terms(limit)?.debt;
        let (usage, weights) = (&actual.usage, &self.meter.weights);
        let tokens = match charge.quota.unit() {
            Unit::Tokens => usage.total(weights),
            Unit::InputTokens => usage.input(weights),
            Unit::OutputTokens => usage.output(weights),
            Unit::Requests | Unit::Items | Unit::Bytes | Unit::Usd | Unit::Concurrent => return None,
        };
        Some(debt.charge(taken, Cost::new(tokens)))
    }
}
