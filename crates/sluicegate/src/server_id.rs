//! The servers of a store.

/// One of the servers on which a store keeps its accounts, by the number that the store gives it. A store never gives
/// the number of one server to another.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerId(u32);

impl ServerId {
    /// The server of a store that has only one.
    pub const ONLY: Self = Self(0);

    /// Returns the server of this number. Numbers are small and begin at zero.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}
