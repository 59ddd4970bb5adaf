//! The balance of one account.

use std::time::Duration;

use smallvec::SmallVec;

use crate::Wait;

/// The balance of one account after a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Balance {
    /// Units that could be spent now, in one request or several.
    pub remaining: u64,
    /// Until the account is full again, if nobody spends meanwhile; zero for a concurrent limit, whose slots
    /// come back when they come back.
    pub reset_after: Duration,
    /// Until one more unit can be spent; zero where one can be spent now, and for a concurrent limit.
    pub next_after: Duration,
    /// Until this charge fits: [`Wait::None`] unless this charge was denied.
    pub wait: Wait,
}

/// One balance for each charge, in the charges' order; up to two without allocating.
pub type Balances = SmallVec<[Balance; 2]>;
