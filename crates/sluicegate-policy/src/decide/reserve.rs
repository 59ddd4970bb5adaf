//! The tokens that are taken before a request runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicegate::{Cost, Quota, Unit};

use crate::{Estimate, TokenWeights, Usage};

/// The tokens that a limit takes before a request runs.
///
/// The rest is charged when the answer has ended. Until then other requests are admitted on tokens that are as good as
/// spent: a caller with `c` requests at a time can exceed the limit by `c` times the tokens of one request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reserve {
    /// Input and output: the limit is never exceeded by requests that say how much they may cost.
    #[default]
    Full,
    /// The input.
    Input,
    /// One token: a request passes as long as there is any.
    Off,
}

/// The tokens that one request may cost, weighted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reserved {
    /// Tokens that the model will read.
    pub input: u64,
    /// Tokens that it may write.
    pub output: u64,
    /// The request names no maximum, so the output is a guess.
    pub is_guess: bool,
}

impl Reserved {
    pub(crate) fn of(usage: &Usage, weights: &TokenWeights, estimate: &Estimate) -> Self {
        let is_guess = estimate.max_output.is_none();
        Self { input: usage.input(weights), output: usage.output(weights), is_guess }
    }
}

impl Reserve {
    /// The cost to take for a limit with this quota. At least one token, so that an account that is spent lets nothing pass. A
    /// guess takes no more than the limit holds: nobody knows that the request can never pass.
    pub(crate) fn cost(self, quota: &Quota, reserved: Reserved) -> Option<Cost> {
        let (input, output) = match self {
            Self::Full => (reserved.input, reserved.output),
            Self::Input => (reserved.input, 0),
            Self::Off => (0, 0),
        };
        let (input, output) = match quota.unit() {
            Unit::Tokens => (input, output),
            Unit::InputTokens => (input, 0),
            Unit::OutputTokens => (0, output),
            Unit::Requests | Unit::Items | Unit::Bytes | Unit::Usd | Unit::Concurrent => return None,
        };
        let room = if reserved.is_guess { quota.burst_size().saturating_sub(input) } else { u64::MAX };
        Some(Cost::new(input.saturating_add(output.min(room)).max(1)))
    }
}
