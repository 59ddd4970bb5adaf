//! The meter of tokens.

use crate::{Dialect, TokenWeights};

/// The way to find the tokens of a route's requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenMeter {
    pub(crate) dialect: Dialect,
    pub(crate) weights: TokenWeights,
    pub(crate) default_output: u64,
}

impl TokenMeter {
    /// Output tokens that are reserved for each choice of a request that names no maximum, before anything was learned.
    pub const DEFAULT_OUTPUT: u64 = 1024;

    /// A meter of the tokens of requests in this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, weights: TokenWeights::default(), default_output: Self::DEFAULT_OUTPUT }
    }

    /// The dialect of requests and answers.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The weights of the classes of tokens.
    #[must_use]
    pub fn weights(&self) -> &TokenWeights {
        &self.weights
    }
}
