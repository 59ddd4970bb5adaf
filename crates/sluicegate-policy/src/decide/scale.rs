//! The scale of a limit.

/// The scale of a limit: a positive factor, in millionths.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Scale(u64);

impl Scale {
    /// The limit as it is.
    pub const WHOLE: Self = Self(1_000_000);
    /// The largest: a million times.
    pub const MAX: f64 = 1e6;

    /// The scale of this factor, if it is one: above a millionth, and at most a million.
    #[must_use]
    pub fn of(factor: f64) -> Option<Self> {
        // In this range the product is a whole number below 2^53, so nothing is truncated or lost.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        (1e-6..=Self::MAX).contains(&factor).then(|| Self((factor * 1e6).round() as u64))
    }

    /// So many millionths.
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// In millionths, as [`Quota::scaled`](sluicegate::Quota::scaled) takes it.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }
}
