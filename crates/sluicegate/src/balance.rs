//! The balance of one account.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    slice,
    time::Duration,
};

use smallvec::{SmallVec, smallvec};

use crate::Wait;

/// The balance of one account after a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Balance {
    /// Units that could be spent now, in one request or several.
    pub remaining: u64,
    /// Until the account is full again, without further spending; zero for a concurrent limit, whose slots
    /// come back when they come back.
    pub reset_after: Duration,
    /// Until one more unit can be spent; zero where one can be spent now, and for a concurrent limit.
    pub next_after: Duration,
    /// Until this charge fits: [`Wait::None`] unless this charge was denied.
    pub wait: Wait,
}

/// One balance for each charge, in the charges' order. Reads as a slice; up to three take no allocation.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Balances(SmallVec<[Balance; 3]>);

impl Balances {
    /// The balances of a request without charges.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[inline]
    pub(crate) fn push(&mut self, balance: Balance) {
        self.0.push(balance);
    }
}

impl Deref for Balances {
    type Target = [Balance];

    #[inline]
    fn deref(&self) -> &[Balance] {
        &self.0
    }
}

impl DerefMut for Balances {
    fn deref_mut(&mut self) -> &mut [Balance] {
        &mut self.0
    }
}

impl From<Balance> for Balances {
    #[inline]
    fn from(balance: Balance) -> Self {
        Self(smallvec![balance])
    }
}

impl FromIterator<Balance> for Balances {
    fn from_iter<I: IntoIterator<Item = Balance>>(balances: I) -> Self {
        Self(balances.into_iter().collect())
    }
}

impl<'b> IntoIterator for &'b Balances {
    type Item = &'b Balance;
    type IntoIter = slice::Iter<'b, Balance>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Debug for Balances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
