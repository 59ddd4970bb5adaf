//! The answer to a request.

use std::time::Duration;

use crate::{Balances, Taken, Timestamp, Wait};

/// The answer to a request. A spent quota is an answer, never an error.
///
/// # Holding what was allowed
///
/// A limiter allows a [`Permit`](crate::Permit), and a permit holds slots of [concurrent](crate::Quota::concurrent) limits
/// until it is dropped. So take it out of the decision and keep it while the request runs:
///
/// ```
/// use sluicegate::{Decision, Limit, Limiter, MemoryStore, Quota};
///
/// static GPU: Limit = Limit::new("gpu", Quota::concurrent(4));
/// # fn run_the_model() {}
///
/// let limiter = Limiter::new(MemoryStore::new());
/// match limiter.check_now((), &GPU) {
///     Decision::Allow(_permit) => run_the_model(), // the slot is held until here
///     Decision::Deny(denial) => println!("all {} slots are in use", GPU.quota().amount()),
/// }
/// if let Some(_permit) = limiter.check_now((), &GPU).allowed() {
///     run_the_model();
/// }
/// ```
///
/// A question that only looks, `if limiter.check_now((), &GPU).is_allowed() { run_the_model() }`, would drop the permit
/// before the block and free the slot at once. So the decision of a limiter has no `is_allowed`:
///
/// ```compile_fail,E0599
/// # use sluicegate::{Limit, Limiter, MemoryStore, Quota};
/// # static GPU: Limit = Limit::new("gpu", Quota::concurrent(4));
/// # fn run_the_model() {}
/// # let limiter = Limiter::new(MemoryStore::new());
/// if limiter.check_now((), &GPU).is_allowed() {
///     run_the_model();
/// }
/// ```
///
/// The same happens to a permit that is given no name: write `let _permit = …`, for `let _ = …` drops it at once.
#[must_use = "a request may only pass when its decision is Allow"]
#[expect(clippy::large_enum_variant, reason = "what is allowed has balances, too")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision<T> {
    /// Every charge was taken.
    Allow(T),
    /// Nothing was charged anywhere.
    Deny(Denial),
}

impl<T> Decision<T> {
    /// The denial, if it is one. Keep an allowed decision while the request runs: it has the permit.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Allow(_) => None,
            Self::Deny(denial) => Some(denial),
        }
    }

    /// The permit, if the request is admitted.
    #[must_use = "dropping what was allowed gives back its slots at once"]
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

/// The decision of a [store](crate::Store), whose claim is a number that nothing happens to when it is dropped.
impl<L> Decision<Taken<L>> {
    /// Returns `true` if the request is admitted.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
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
    /// The time of the decision, on the clock by which it was made: the store's, unless something before the store
    /// decided.
    pub at: Timestamp,
}

impl Denial {
    /// The time after which the same request passes if nobody else spends meanwhile; `None` when it can never
    /// pass, or when it depends on others giving back their slots.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.wait.duration()
    }
}
