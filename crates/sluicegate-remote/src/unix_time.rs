//! Times as servers and the system tell them: microseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluicegate::Timestamp;

/// Returns a time on a remote store's clock, whose epoch is the beginning of 2020, from microseconds since 1970.
#[inline]
#[must_use]
pub fn timestamp(micros: u64) -> Timestamp {
    Timestamp::from_ticks(micros.saturating_sub(EPOCH).saturating_mul(TICKS_PER_MICROSECOND))
}

/// Returns the same time in whole microseconds since 1970, rounded down.
#[inline]
#[must_use]
pub fn micros(timestamp: Timestamp) -> u64 {
    EPOCH + timestamp.ticks() / TICKS_PER_MICROSECOND
}

/// Returns the microseconds since 1970 by the system's clock. One that is set before 1970 counts as 1970, because time
/// that lags is safe.
#[must_use]
pub fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The ticks of an engine's [`Timestamp`] in a microsecond, of 1/16 ns each.
pub const TICKS_PER_MICROSECOND: u64 = 16_000;

/// The beginning of 2020 in microseconds since 1970. The engine's clock, which counts ticks in 64 bits, then lasts until
/// 2056.
const EPOCH: u64 = 1_577_836_800_000_000;
