//! Sizes and lives of chunks.

use std::time::Duration;

use crate::{Algorithm, Quota};

/// Sizes and lives of chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// The part of a burst that this instance may hold, in millionths.
    pub(super) share: u64,
    pub(super) life: Duration,
    /// The least number of requests that a chunk is for.
    pub(super) requests: u64,
    /// Two requests of a key that are no further apart make it a hot one.
    pub(super) hot_within: Duration,
    /// Set if the next chunk is asked for when half of one is spent.
    pub(super) ahead: bool,
    /// The maximum number of accounts with chunks.
    pub(super) max_keys: usize,
}

impl Settings {
    /// The size of the next chunk, which is to be `wanted`, or `None` if a call for each request is better.
    pub(super) fn size(&self, quota: &Quota, wanted: u64, cost: u64, room: Room) -> Option<u64> {
        let share = u128::from(quota.burst_size()) * u128::from(self.share) / 1_000_000;
        let most = u64::try_from(share).unwrap_or(u64::MAX).saturating_sub(room.held);
        let least = cost.saturating_mul(self.requests);
        // What is left in the account is for all instances.
        let size = wanted.max(least).min(most).min(room.remaining / FAIR);
        (cost > 0 && size >= least && is_lent(quota.algorithm())).then_some(size)
    }
}

/// The room for one more chunk of a quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Units that this instance holds.
    pub(super) held: u64,
    /// Units that are left in the store's account.
    pub(super) remaining: u64,
}

/// Returns `true` if accounts of this algorithm lend chunks. Slots are held and given back one by one, and a log keeps
/// the time of each charge.
pub(super) const fn is_lent(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::TokenBucket | Algorithm::FixedWindow | Algorithm::SlidingWindow)
}

/// A chunk is at most one in so many of the units that are left.
const FAIR: u64 = 4;
