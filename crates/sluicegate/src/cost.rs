//! The cost of one request.

use crate::Unit;

/// The number of units of its quota that a charge takes.
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

    /// A cost in dollars, rounded up to a whole nano-dollar; `None` when it is negative, no number, or overflows.
    ///
    /// ```
    /// use sluicegate::Cost;
    ///
    /// assert_eq!(Cost::usd(0.0123), Some(Cost::new(12_300_000)));
    /// assert_eq!(Cost::usd(1e-10), Some(Cost::ONE));
    /// assert_eq!(Cost::usd(-1.0), None);
    /// ```
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn usd(dollars: f64) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a billion is exact")]
        let nano = dollars * Unit::Usd.scale() as f64;
        // What misses a whole number by a float's own error is meant to be that number.
        let off = (nano - nano.round()).abs();
        let whole = if off <= nano * FLOAT_ERROR { nano.round() } else { nano.ceil() };
        (0.0..TOO_MUCH).contains(&whole).then_some(Self(whole as u64))
    }

    /// The number of units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Returns `true` if this cost only peeks.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// The maximum error of the product of two floats, relative to it.
const FLOAT_ERROR: f64 = 2.0 * f64::EPSILON;
/// 2^64, which is no `u64` any more.
const TOO_MUCH: f64 = 18_446_744_073_709_551_616.0;

impl From<u64> for Cost {
    fn from(units: u64) -> Self {
        Self(units)
    }
}
