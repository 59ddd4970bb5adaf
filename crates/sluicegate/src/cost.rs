//! How much of a quota one request takes.

use crate::Unit;

/// How many units of its quota a charge takes.
///
/// A cost of zero peeks: it is answered as any other, and changes nothing. Money is counted in nano-dollars,
/// all other [units](Unit) one by one.
///
/// ```
/// use sluicegate::{Cost, Unit};
///
/// assert_eq!(Cost::new(812).units(), 812);
/// assert_eq!(Cost::of(2, Unit::Usd), Some(Cost::new(2_000_000_000)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cost(u64);

impl Cost {
    /// Peeks.
    pub const ZERO: Self = Self(0);
    /// One request, one item, one token.
    pub const ONE: Self = Self(1);

    /// A cost of so many units.
    #[must_use]
    pub const fn new(units: u64) -> Self {
        Self(units)
    }

    /// A cost of `amount` whole units, whole dollars for [`Unit::Usd`]; `None` when that overflows.
    #[must_use]
    pub const fn of(amount: u64, unit: Unit) -> Option<Self> {
        match amount.checked_mul(unit.scale()) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The number of units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Whether this cost only peeks.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<u64> for Cost {
    fn from(units: u64) -> Self {
        Self(units)
    }
}
