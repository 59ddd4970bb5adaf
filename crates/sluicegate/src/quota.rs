//! Quotas: the amounts that accounts may spend.

mod constant;
mod error;
mod parse;
mod text;

use std::{num::NonZeroU32, time::Duration};

pub use error::QuotaError;

use crate::{
    Algorithm, Cost, Unit,
    timestamp::{duration, ticks},
};

/// An amount of a [unit](Unit) per window, with a burst: a value.
///
/// A quota in code is a constant: [`per_second`](Self::per_second), [`per_minute`](Self::per_minute),
/// [`per_hour`](Self::per_hour), [`per_day`](Self::per_day), or [`per`](Self::per) another window.
///
/// ```
/// use sluicegate::{Quota, Unit};
///
/// const REQUESTS: Quota = Quota::per_minute(10).burst(20);
/// const TOKENS: Quota = Quota::per_day(1_000_000).of(Unit::Tokens).fixed_window();
/// assert_eq!(TOKENS.to_string(), "1000000 tokens/day");
/// ```
///
/// A quota that a user writes is read from text. The grammar is `AMOUNT [UNIT] ("/" | "per") [N] PERIOD ["burst" B]`, or
/// `AMOUNT concurrent`; a month has 30 days and a year 360, as in Python's `limits`, all of whose texts are
/// read with the same meaning.
///
/// ```
/// use sluicegate::{Algorithm, Quota, Unit};
/// use std::{num::NonZeroU32, time::Duration};
///
/// let quota: Quota = "100 items per 5 minutes burst 20".parse()?;
/// assert_eq!(quota.amount(), 100);
/// assert_eq!(quota.unit(), Unit::Items);
/// assert_eq!(quota.window(), Duration::from_secs(300));
/// assert_eq!(quota.burst_size(), 20);
///
/// let fixed = quota.with_algorithm(Algorithm::FixedWindow);
/// assert!(fixed.is_err(), "only a token bucket has a burst of its own");
/// # Ok::<(), sluicegate::QuotaError>(())
/// ```
///
/// # Burst
///
/// A token bucket holds at most `burst` units, and a key that has been idle can spend them at once; after that,
/// units come back one by one, evenly over the window. The burst is the amount unless it is given: `10/minute`
/// lets ten requests through at once and then one each six seconds; `10/minute burst 1` lets one through each
/// six seconds and never two together. Only token buckets take a burst of their own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Quota {
    amount: u64,
    burst: u64,
    /// Ticks; zero for a concurrent quota.
    window: u64,
    /// Ticks until one more unit, rounded up: `T = ⌈P/L⌉`.
    emission: u64,
    /// Ticks that a full bucket holds.
    tolerance: u64,
    unit: Unit,
    algorithm: Algorithm,
}

/// Constructors.
impl Quota {
    /// The most units of a quota that is kept as a [log](Algorithm::SlidingLog).
    pub const MAX_LOG: u64 = 128;
    /// The longest window, and the longest time that a burst may take to come back: 18 years.
    pub const MAX_WINDOW: Duration = Duration::from_secs(18 * 360 * 86_400);

    /// `amount` requests per `window`, kept as a token bucket that holds the whole amount.
    ///
    /// An amount of zero is a quota that admits nothing.
    ///
    /// # Errors
    ///
    /// When the window is zero or longer than [`MAX_WINDOW`](Self::MAX_WINDOW).
    pub fn new(amount: u64, window: Duration) -> Result<Self, QuotaError> {
        Self::per(amount, window).ok_or_else(|| QuotaError::window(window))
    }

    /// At most `amount` at any one time.
    #[must_use]
    pub const fn concurrent(amount: u64) -> Self {
        Self {
            amount,
            burst: amount,
            window: 0,
            emission: 0,
            tolerance: 0,
            unit: Unit::Concurrent,
            algorithm: Algorithm::Concurrent,
        }
    }

    /// Reads a list of quotas, separated by `;`, `,` or `|`.
    ///
    /// # Errors
    ///
    /// When any of them is no quota; the error's [span](QuotaError::span) lies in the whole text.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, QuotaError> {
        parse::list(text)
    }

    /// The same quota with another burst.
    ///
    /// # Errors
    ///
    /// When the quota is not a token bucket, or a burst would take longer than
    /// [`MAX_WINDOW`](Self::MAX_WINDOW) to come back.
    pub fn with_burst(self, burst: u64) -> Result<Self, QuotaError> {
        if self.algorithm != Algorithm::TokenBucket && burst != self.amount {
            return Err(QuotaError::burst_of(self.algorithm));
        }
        self.sized(self.amount, burst).ok_or_else(|| QuotaError::burst_too_long(burst))
    }

    /// The same quota in another unit. Amount and burst count the new unit's [cost](Cost).
    ///
    /// # Errors
    ///
    /// When only one of the quota and the unit is concurrent.
    pub fn with_unit(self, unit: Unit) -> Result<Self, QuotaError> {
        if (unit == Unit::Concurrent) != (self.algorithm == Algorithm::Concurrent) {
            return Err(QuotaError::concurrent_window());
        }
        Ok(Self { unit, ..self })
    }

    /// The same quota, kept another way.
    ///
    /// # Errors
    ///
    /// When the quota has a burst of its own and `algorithm` takes none, has more than
    /// [`MAX_LOG`](Self::MAX_LOG) units for a log, or only one of the two is concurrent.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, QuotaError> {
        if (algorithm == Algorithm::Concurrent) != (self.algorithm == Algorithm::Concurrent) {
            return Err(QuotaError::concurrent_window());
        }
        if algorithm != Algorithm::TokenBucket && self.burst != self.amount {
            return Err(QuotaError::burst_of(algorithm));
        }
        if algorithm == Algorithm::SlidingLog && self.amount > Self::MAX_LOG {
            return Err(QuotaError::log(self.amount));
        }
        Ok(Self { algorithm, ..self })
    }

    /// The quota times `millionths` / 10⁶, rounded down, but at least one unit where there was one.
    ///
    /// Window, unit and algorithm stay. What an account has spent stays spent: a token bucket's account is kept
    /// in time, so a quota that grows under it never hands out units that the smaller one had withheld.
    #[must_use]
    pub fn scaled(self, millionths: u64) -> Self {
        let scale = |units: u64| {
            let scaled = u128::from(units) * u128::from(millionths) / 1_000_000;
            u64::try_from(scaled).unwrap_or(u64::MAX).max(units.min(1))
        };
        let (amount, burst) = (scale(self.amount), scale(self.burst));
        // A log that would grow beyond what a log holds, or a burst beyond what a clock holds, stays as it was.
        match self.sized(amount, burst) {
            Some(scaled) if scaled.algorithm != Algorithm::SlidingLog || amount <= Self::MAX_LOG => scaled,
            _ => self,
        }
    }

    /// One of so many equal shares of the quota, rounded down, but at least one unit where there was one.
    ///
    /// Window, unit and algorithm stay. All shares together are never more than the quota where it has a unit for each.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// use sluicegate::Quota;
    ///
    /// let quota: Quota = "10/minute".parse()?;
    /// let three = NonZeroU32::new(3).ok_or("three is not zero")?;
    /// assert_eq!(quota.shared(three), "3/minute".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shared(self, among: NonZeroU32) -> Self {
        let share = |units: u64| (units / u64::from(among.get())).max(units.min(1));
        let (amount, burst) = (share(self.amount), share(self.burst));
        // An amount that is rounded down takes longer to give back its burst; where that is longer than a clock holds,
        // the share has no burst.
        self.sized(amount, burst).or_else(|| self.sized(amount, burst.min(1))).unwrap_or(self)
    }

    /// A token bucket of requests that holds the whole amount.
    const fn bucket(amount: u64, window: u64) -> Self {
        let (unit, algorithm) = (Unit::Requests, Algorithm::TokenBucket);
        Self { window, unit, algorithm, ..Self::concurrent(amount) }.sized_within_clock(amount)
    }

    /// Works out what the algorithms need, once, so that no check divides more than it must. `None` if the burst would
    /// take longer to come back than a clock holds.
    const fn sized(self, amount: u64, burst: u64) -> Option<Self> {
        if matches!(self.algorithm, Algorithm::Concurrent) || amount == 0 {
            let burst = if burst < amount { burst } else { amount };
            return Some(Self { amount, burst, emission: 0, tolerance: 0, ..self });
        }
        let emission = self.window.div_ceil(amount);
        let exact = (burst as u128 * self.window as u128).div_ceil(amount as u128);
        // `burst` requests of one unit each are rounded up one by one, and must all fit: hence burst · ⌈P/L⌉. Where
        // a unit is worth less than 1,024 ticks that would be far more than the burst, so it is capped 0.1 % above.
        let (fine, coarse) = (burst as u128 * emission as u128, exact + exact / 1_024);
        let tolerance = if fine < coarse { fine } else { coarse };
        if tolerance > LONGEST_REFILL as u128 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most `LONGEST_REFILL`, which is 64 bits")]
        let tolerance = tolerance as u64;
        Some(Self { amount, burst, emission, tolerance, ..self })
    }

    /// The same quota with this burst, or with the largest smaller one that comes back while a clock lasts.
    const fn sized_within_clock(self, burst: u64) -> Self {
        if let Some(quota) = self.sized(self.amount, burst) {
            return quota;
        }
        // As in `sized`: each unit rounded up, or all together and 0.1 % above, whichever allows more.
        let fine = (LONGEST_REFILL / self.window.div_ceil(self.amount)) as u128;
        let coarse = LONGEST_REFILL as u128 / 1_025 * 1_024 * self.amount as u128 / self.window as u128;
        #[expect(clippy::cast_possible_truncation, reason = "less than `burst`, which would fit otherwise")]
        let most = if fine > coarse { fine as u64 } else { coarse as u64 };
        match self.sized(self.amount, most) {
            Some(quota) => quota,
            // Never: by one of the two ways, `most` units are worth no more than the longest refill.
            None => self,
        }
    }
}

/// The parts of the quota.
impl Quota {
    /// Units per window, or at one time.
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// The most units at once.
    #[must_use]
    pub const fn burst_size(&self) -> u64 {
        self.burst
    }

    /// The window; zero for a concurrent quota.
    #[must_use]
    pub const fn window(&self) -> Duration {
        duration(self.window)
    }

    /// The counted unit.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The algorithm of the account.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns `true` if a charge of `cost` can ever fit.
    #[must_use]
    pub const fn can_hold(&self, cost: Cost) -> bool {
        cost.units() <= self.burst
    }
}

/// The numbers that the algorithms need, in ticks of 1/16 ns.
impl Quota {
    #[inline]
    pub(crate) const fn window_ticks(&self) -> u64 {
        self.window
    }

    /// Ticks until one more unit, rounded up.
    #[inline]
    pub(crate) const fn emission(&self) -> u64 {
        self.emission
    }

    /// Ticks that a full bucket holds.
    #[inline]
    #[must_use]
    pub const fn tolerance(&self) -> u64 {
        self.tolerance
    }

    /// Ticks that `units` are worth, `⌈c·P/L⌉`: rounded once for the whole cost, never for each unit of it.
    #[inline]
    #[must_use]
    pub fn worth(&self, units: u64) -> u64 {
        match units {
            0 => 0,
            1 => self.emission,
            _ if self.amount == 0 => u64::MAX,
            _ => {
                let worth = (u128::from(units) * u128::from(self.window)).div_ceil(u128::from(self.amount));
                u64::try_from(worth).unwrap_or(u64::MAX)
            }
        }
    }

    /// Units that `ticks` of a bucket are worth, rounded down.
    #[inline]
    pub(crate) fn units_in(&self, ticks: u64) -> u64 {
        match self.emission {
            0 => 0,
            fine if fine >= 1_024 => ticks / fine,
            _ => {
                let units = u128::from(ticks) * u128::from(self.amount) / u128::from(self.window.max(1));
                u64::try_from(units).unwrap_or(u64::MAX).min(self.burst)
            }
        }
    }
}

/// The longest time that a burst may take to come back, in ticks.
const LONGEST_REFILL: u64 = 2 * ticks(Quota::MAX_WINDOW);
