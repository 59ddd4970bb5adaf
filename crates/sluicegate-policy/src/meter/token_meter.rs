//! The meter of tokens.

use std::sync::Arc;

use http::response;

use super::token_pointers::TokenPointers;
use crate::{BodyError, Dialect, Estimate, Refunds, TokenWeights, UsageReader};

/// The way to find the tokens of a route's requests.
#[derive(Clone, Debug)]
pub struct TokenMeter {
    pub(crate) interface: TokenInterface,
    pub(crate) weights: TokenWeights,
    pub(crate) default_output: u64,
    /// The statuses of answers that give the tokens back.
    pub(crate) refunds: Refunds,
}

/// The interface whose requests and answers a meter reads.
#[derive(Clone, Debug)]
pub(crate) enum TokenInterface {
    Named(Dialect),
    /// Any other that speaks JSON. The policy says where its tokens are.
    Json(Arc<TokenPointers>),
}

impl TokenMeter {
    /// Output tokens that are reserved for each choice of a request that names no maximum, before anything was learned.
    pub const DEFAULT_OUTPUT: u64 = 1024;

    /// A meter of the tokens of requests in this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self::of(TokenInterface::Named(dialect))
    }

    pub(crate) fn of(interface: TokenInterface) -> Self {
        Self {
            interface,
            weights: TokenWeights::default(),
            default_output: Self::DEFAULT_OUTPUT,
            refunds: Refunds::default(),
        }
    }

    /// The dialect of requests and answers. `None` if the policy points to their tokens.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        match &self.interface {
            TokenInterface::Named(dialect) => Some(*dialect),
            TokenInterface::Json(_) => None,
        }
    }

    /// The weights of the classes of tokens.
    #[must_use]
    pub fn weights(&self) -> &TokenWeights {
        &self.weights
    }

    /// Reads the body of a request to this path, without its query.
    ///
    /// # Errors
    ///
    /// As for [`Estimate::of_request`]. Where the policy points to the prompt, also when the body has none.
    pub fn estimate(&self, path: &str, body: &[u8]) -> Result<Estimate, BodyError> {
        match &self.interface {
            TokenInterface::Named(dialect) => Estimate::of_request(*dialect, path, body),
            TokenInterface::Json(pointers) => pointers.request.estimate(path, body),
        }
    }

    /// Returns the reader of the usage in the response with this head, to a request with this estimate.
    #[must_use]
    pub fn usage_reader(&self, head: &response::Parts, estimate: &Estimate) -> UsageReader {
        match &self.interface {
            TokenInterface::Named(dialect) => UsageReader::new(*dialect, head, estimate),
            TokenInterface::Json(pointers) => UsageReader::pointed(&pointers.answer, head, estimate),
        }
    }

    /// Returns `true` if no request has output, whatever its body and path are.
    pub(crate) fn is_without_output(&self) -> bool {
        match &self.interface {
            TokenInterface::Named(_) => false,
            TokenInterface::Json(pointers) => pointers.request.is_without_output(),
        }
    }
}
