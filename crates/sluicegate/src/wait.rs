//! The time until a charge fits.

use std::time::Duration;

/// The time until a charge fits, assuming no other caller spends meanwhile. Ordered from "now" to "never".
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Wait {
    /// It fits now.
    None,
    /// Until a slot of a concurrent limit is given back. When that will be is unknown.
    Release,
    /// Exactly this long: a nanosecond less and it does not fit.
    For(Duration),
    /// For ever: the cost is more than the quota ever holds.
    Forever,
}

impl Wait {
    /// Returns `true` if the charge fits now.
    #[inline]
    #[must_use]
    pub const fn fits(self) -> bool {
        matches!(self, Self::None)
    }

    /// The time to wait, where one can be told.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::For(duration) => Some(duration),
            Self::Release | Self::Forever => None,
        }
    }
}
