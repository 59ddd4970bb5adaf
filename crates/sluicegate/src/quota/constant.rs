//! Quotas that a program writes as constants.

use std::time::Duration;

use super::Quota;
use crate::{
    Algorithm, Unit,
    timestamp::{TICKS_PER_SECOND, ticks},
};

/// Constants. All of these are `const fn` and accept any number; none panics.
impl Quota {
    /// `amount` requests per second, kept as a token bucket that holds the whole amount. An amount of zero admits nothing.
    ///
    /// ```
    /// use sluicegate::Quota;
    ///
    /// const FAST: Quota = Quota::per_second(50).burst(100);
    /// assert_eq!("50/second burst 100".parse(), Ok(FAST));
    /// ```
    #[must_use]
    pub const fn per_second(amount: u64) -> Self {
        Self::bucket(amount, TICKS_PER_SECOND)
    }

    /// `amount` requests per minute, kept as a token bucket that holds the whole amount. An amount of zero admits nothing.
    #[must_use]
    pub const fn per_minute(amount: u64) -> Self {
        Self::bucket(amount, 60 * TICKS_PER_SECOND)
    }

    /// `amount` requests per hour, kept as a token bucket that holds the whole amount. An amount of zero admits nothing.
    #[must_use]
    pub const fn per_hour(amount: u64) -> Self {
        Self::bucket(amount, 3_600 * TICKS_PER_SECOND)
    }

    /// `amount` requests per day, kept as a token bucket that holds the whole amount. An amount of zero admits nothing.
    ///
    /// A bucket gives a caller that spends all at once a unit back every `1/amount` of a day. Add
    /// [`fixed_window`](Self::fixed_window) to give all of them back together, a day after the first request.
    #[must_use]
    pub const fn per_day(amount: u64) -> Self {
        Self::bucket(amount, 86_400 * TICKS_PER_SECOND)
    }

    /// `amount` requests per `window`; `None` if the window is zero or longer than [`MAX_WINDOW`](Self::MAX_WINDOW).
    ///
    /// In a constant, `unwrap` makes a wrong window a compile error. [`new`](Self::new) is the same with an error that says
    /// what is wrong.
    ///
    /// ```
    /// use sluicegate::Quota;
    /// use std::time::Duration;
    ///
    /// const SLOW: Quota = Quota::per(100, Duration::from_secs(300)).unwrap();
    /// assert_eq!("100 per 5 minutes".parse(), Ok(SLOW));
    /// ```
    ///
    /// ```compile_fail
    /// use sluicegate::Quota;
    /// use std::time::Duration;
    ///
    /// const NEVER: Quota = Quota::per(100, Duration::ZERO).unwrap();
    /// println!("{NEVER}");
    /// ```
    #[must_use]
    pub const fn per(amount: u64, window: Duration) -> Option<Self> {
        let window = ticks(window);
        if window == 0 || window > ticks(Self::MAX_WINDOW) {
            return None;
        }
        Some(Self::bucket(amount, window))
    }

    /// The same token bucket with another burst. See [Burst](Self#burst).
    ///
    /// A burst of zero admits nothing. One that would take longer than twice [`MAX_WINDOW`](Self::MAX_WINDOW) to come back
    /// becomes the largest that does not. A quota of another algorithm has no burst of its own and stays as it is. Use
    /// [`with_burst`](Self::with_burst) for numbers from outside: it refuses these.
    #[must_use]
    pub const fn burst(self, units: u64) -> Self {
        if !matches!(self.algorithm, Algorithm::TokenBucket) {
            return self;
        }
        self.sized_within_clock(units)
    }

    /// The same quota in another unit: `Quota::per_minute(100_000).of(Unit::Tokens)`. Amount and burst count the unit's
    /// [cost](crate::Cost), which is 10⁻⁹ dollars for [`Unit::Usd`].
    ///
    /// Slots are not a unit per window: if only one of the quota and the unit is [concurrent](Self::concurrent), the quota
    /// stays as it is. [`with_unit`](Self::with_unit) refuses that.
    #[must_use]
    pub const fn of(self, unit: Unit) -> Self {
        if matches!(unit, Unit::Concurrent) || matches!(self.unit, Unit::Concurrent) {
            return self;
        }
        Self { unit, ..self }
    }

    /// The same quota, kept as a [fixed window](Algorithm::FixedWindow). A burst of its own is dropped; a
    /// [concurrent](Self::concurrent) quota stays as it is.
    #[must_use]
    pub const fn fixed_window(self) -> Self {
        self.counted(Algorithm::FixedWindow)
    }

    /// The same quota, kept as a [sliding window](Algorithm::SlidingWindow). A burst of its own is dropped; a
    /// [concurrent](Self::concurrent) quota stays as it is.
    #[must_use]
    pub const fn sliding_window(self) -> Self {
        self.counted(Algorithm::SlidingWindow)
    }

    /// The same quota, kept as a [sliding log](Algorithm::SlidingLog); `None` if it has more than
    /// [`MAX_LOG`](Self::MAX_LOG) units. A burst of its own is dropped; a [concurrent](Self::concurrent) quota stays as it
    /// is.
    ///
    /// ```
    /// use sluicegate::Quota;
    ///
    /// const STRICT: Quota = Quota::per_minute(5).sliding_log().unwrap();
    /// assert!(Quota::per_minute(500).sliding_log().is_none());
    /// ```
    #[must_use]
    pub const fn sliding_log(self) -> Option<Self> {
        if self.amount > Self::MAX_LOG && !matches!(self.algorithm, Algorithm::Concurrent) {
            return None;
        }
        Some(self.counted(Algorithm::SlidingLog))
    }

    /// The same quota, kept by an algorithm that counts, which has no burst but the amount.
    const fn counted(self, algorithm: Algorithm) -> Self {
        if matches!(self.algorithm, Algorithm::Concurrent) {
            return self;
        }
        Self { algorithm, ..self.sized_within_clock(self.amount) }
    }
}
