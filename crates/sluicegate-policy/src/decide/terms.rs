//! The terms of a limit of tokens.

use crate::{Debt, OnExhausted, Reserve};

/// The terms of a limit of tokens. Other limits have the default ones, and nobody asks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// The tokens that are taken before a request runs.
    pub reserve: Reserve,
    /// The charge for tokens beyond that.
    pub debt: Debt,
    /// The fate of a stream when the limit is spent while it runs.
    pub on_exhausted: OnExhausted,
}
