//! Times as Redis tells them.

use sluicegate::Timestamp;

/// A time on the store's clock, whose epoch is the beginning of 2020, from one in microseconds since 1970.
pub(crate) fn timestamp(micros: u64) -> Timestamp {
    Timestamp::from_ticks(micros.saturating_sub(EPOCH).saturating_mul(TICKS))
}

/// The same time in whole microseconds since 1970, rounded down.
pub(crate) fn micros(timestamp: Timestamp) -> u64 {
    EPOCH + timestamp.ticks() / TICKS
}

/// Ticks as microseconds and what is left over, in ticks.
pub(crate) fn split(ticks: u64) -> [u64; 2] {
    [ticks / TICKS, ticks % TICKS]
}

/// 1/16 ns each.
pub(crate) const TICKS: u64 = 16_000;

/// The beginning of 2020 in microseconds since 1970. The engine's clock, which counts ticks in 64 bits, then lasts until
/// 2056.
pub(crate) const EPOCH: u64 = 1_577_836_800_000_000;
