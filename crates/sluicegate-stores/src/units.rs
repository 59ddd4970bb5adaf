//! Amounts of several units.

use std::ops::Add;

use sluicegate::Unit;

/// An amount of each unit, as [costs](sluicegate::Cost) count it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Units([u64; Unit::ALL.len()]);

impl Units {
    /// These amounts, and nothing of the other units.
    #[must_use]
    pub fn of(amounts: &[(Unit, u64)]) -> Self {
        let mut units = Self::default();
        amounts.iter().for_each(|(unit, amount)| units.0[*unit as usize] += amount);
        units
    }

    /// Each unit with its amount.
    pub fn iter(&self) -> impl Iterator<Item = (Unit, u64)> {
        Unit::ALL.into_iter().map(|unit| (unit, self.0[unit as usize]))
    }
}

impl Add for Units {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(amount, more)| *amount += more);
        self
    }
}
