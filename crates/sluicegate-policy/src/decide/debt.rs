//! The tokens that a request has used beyond its reservation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicegate::Cost;

/// The account of tokens beyond a reservation.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebtMode {
    /// The caller's: later requests wait until it is paid off.
    #[default]
    Carry,
    /// Nobody's.
    Forgive,
}

/// The tokens beyond its reservation for which a request's caller is charged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Debt {
    /// The most tokens of one request.
    pub(crate) most: u64,
}

impl Default for Debt {
    /// All of them.
    fn default() -> Self {
        Self::ALL
    }
}

impl Debt {
    /// All of them.
    pub(crate) const ALL: Self = Self { most: u64::MAX };
    /// None of them.
    pub(crate) const NONE: Self = Self { most: 0 };

    /// The charge for a request that has `used` more or less than was `reserved`.
    pub(crate) fn charge(self, reserved: Cost, used: Cost) -> Cost {
        used.min(Cost::new(reserved.units().saturating_add(self.most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_bounded_and_a_refund_is_not() {
        let charge = |debt: Debt, used| debt.charge(Cost::new(100), Cost::new(used)).units();
        assert_eq!((charge(Debt::ALL, 1000), charge(Debt::ALL, 10)), (1000, 10));
        assert_eq!((charge(Debt::NONE, 1000), charge(Debt::NONE, 10)), (100, 10));
        assert_eq!((charge(Debt { most: 50 }, 1000), charge(Debt { most: 50 }, 120)), (150, 120));
        assert_eq!(charge(Debt { most: u64::MAX }, u64::MAX), u64::MAX);
    }
}
