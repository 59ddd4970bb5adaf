//! One line of a request's bill.

use crate::{Cost, Key, Quota};

/// One line of a request's bill: `cost` units of `quota`, on `key`'s account.
///
/// An account is a key and an [algorithm](crate::Algorithm). The quota is given with every charge, and may
/// differ from charge to charge on the same account: what was spent stays spent.
///
/// ```
/// use sluicegate::{Charge, Cost, Quota};
///
/// let quota: Quota = "100 items/minute".parse()?;
/// let charge = Charge::new("alice", quota).cost(Cost::new(32));
/// # Ok::<(), sluicegate::QuotaError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// The owner of the account.
    pub key: Key,
    /// The quota of the account.
    pub quota: Quota,
    /// The cost of this request.
    pub cost: Cost,
}

impl Charge {
    /// A charge of one unit.
    #[inline]
    pub fn new(key: impl Into<Key>, quota: Quota) -> Self {
        Self { key: key.into(), quota, cost: Cost::ONE }
    }

    /// The same charge at another cost.
    #[inline]
    #[must_use]
    pub fn cost(mut self, cost: impl Into<Cost>) -> Self {
        self.cost = cost.into();
        self
    }
}
