//! Totals since the start, for programs in the same process.

use std::ops::{Add, AddAssign};

/// The requests of a route since the start, by their decision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestTotals {
    /// Passed to what serves them.
    pub allowed: u64,
    /// Answered 429.
    pub denied: u64,
    /// Answered anything else before that.
    pub refused: u64,
}

/// The decisions of a limit since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LimitTotals {
    /// Requests charged.
    pub allowed: u64,
    /// Requests denied because the limit was spent.
    pub denied: u64,
    /// Requests that the limit, in shadow mode, would have denied.
    pub shadow_denied: u64,
}

/// The weighted tokens of a route since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TokenTotals {
    /// Tokens that requests reserved before they ran.
    pub reserved: u64,
    /// Tokens that ended requests are charged for.
    pub charged: u64,
    /// Tokens that ended requests got back.
    pub refunded: u64,
}

impl RequestTotals {
    /// All requests, whatever became of them.
    #[must_use]
    pub fn all(self) -> u64 {
        self.allowed + self.denied + self.refused
    }
}

impl Add for RequestTotals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            allowed: self.allowed + other.allowed,
            denied: self.denied + other.denied,
            refused: self.refused + other.refused,
        }
    }
}

impl AddAssign for RequestTotals {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
