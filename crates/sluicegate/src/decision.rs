//! The answer to a request.

use std::time::Duration;

use crate::{Balances, Wait};

/// The answer to a request. A spent quota is an answer, never an error.
#[must_use = "a request may only pass when its decision is Allow"]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision<T> {
    /// Every charge was taken.
    Allow(T),
    /// Nothing was charged anywhere.
    Deny(Denial),
}

impl<T> Decision<T> {
    /// Returns `true` if the request is admitted.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// The denial, if it is one.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Allow(_) => None,
            Self::Deny(denial) => Some(denial),
        }
    }

    /// The permit, if the request is admitted.
    #[must_use]
    pub fn allowed(self) -> Option<T> {
        match self {
            Self::Allow(value) => Some(value),
            Self::Deny(_) => None,
        }
    }

    /// Turns what was allowed into something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Decision<U> {
        match self {
            Self::Allow(value) => Decision::Allow(f(value)),
            Self::Deny(denial) => Decision::Deny(denial),
        }
    }
}

/// The reason that a request is denied, and the wait.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// The charge that denied; of several, the one with the longest wait.
    pub charge: usize,
    /// Until that charge fits.
    pub wait: Wait,
    /// Every charge's balance. Those whose `wait` is not [`Wait::None`] denied.
    pub balances: Balances,
    /// Set if an earlier denial, which still holds, was remembered: the store itself was not called.
    pub remembered: bool,
}

impl Denial {
    /// The time after which the same request passes if nobody else spends meanwhile; `None` when it can never
    /// pass, or when it depends on others giving back their slots.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.wait.duration()
    }
}
