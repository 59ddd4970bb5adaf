//! An account of any algorithm.

use super::{Account, FixedWindow, SlidingLog, SlidingWindow, Slots, Standing, TokenBucket};
use crate::{Algorithm, Cost, Quota, Timestamp};

/// An account of any algorithm, as a remote store returns it.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyAccount {
    /// A token bucket.
    TokenBucket(TokenBucket),
    /// A fixed window.
    FixedWindow(FixedWindow),
    /// A sliding window.
    SlidingWindow(SlidingWindow),
    /// A sliding log.
    SlidingLog(SlidingLog),
    /// The slots of a concurrent limit.
    Concurrent(Slots),
}

impl AnyAccount {
    /// The account of a key that has spent nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::TokenBucket => Self::TokenBucket(TokenBucket::default()),
            Algorithm::FixedWindow => Self::FixedWindow(FixedWindow::default()),
            Algorithm::SlidingWindow => Self::SlidingWindow(SlidingWindow::default()),
            Algorithm::SlidingLog => Self::SlidingLog(SlidingLog::default()),
            Algorithm::Concurrent => Self::Concurrent(Slots::default()),
        }
    }

    /// [`Account::judge`] of whichever it is.
    #[must_use]
    pub fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        match self {
            Self::TokenBucket(account) => account.judge(quota, cost, now),
            Self::FixedWindow(account) => account.judge(quota, cost, now),
            Self::SlidingWindow(account) => account.judge(quota, cost, now),
            Self::SlidingLog(account) => account.judge(quota, cost, now),
            Self::Concurrent(account) => account.judge(quota, cost, now),
        }
    }

    /// [`Account::charge`] of whichever it is.
    pub fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp) {
        match self {
            Self::TokenBucket(account) => account.charge(quota, cost, now),
            Self::FixedWindow(account) => account.charge(quota, cost, now),
            Self::SlidingWindow(account) => account.charge(quota, cost, now),
            Self::SlidingLog(account) => account.charge(quota, cost, now),
            Self::Concurrent(account) => account.charge(quota, cost, now),
        }
    }

    /// [`Account::settle`] of whichever it is.
    pub fn settle(
        &mut self,
        quota: &Quota,
        estimate: Cost,
        actual: Cost,
        taken_at: Timestamp,
        now: Timestamp,
    ) {
        match self {
            Self::TokenBucket(account) => account.settle(quota, estimate, actual, taken_at, now),
            Self::FixedWindow(account) => account.settle(quota, estimate, actual, taken_at, now),
            Self::SlidingWindow(account) => account.settle(quota, estimate, actual, taken_at, now),
            Self::SlidingLog(account) => account.settle(quota, estimate, actual, taken_at, now),
            Self::Concurrent(account) => account.settle(quota, estimate, actual, taken_at, now),
        }
    }

    /// [`Account::idle_at`] of whichever it is.
    #[must_use]
    pub fn idle_at(&self) -> Timestamp {
        match self {
            Self::TokenBucket(account) => account.idle_at(),
            Self::FixedWindow(account) => account.idle_at(),
            Self::SlidingWindow(account) => account.idle_at(),
            Self::SlidingLog(account) => account.idle_at(),
            Self::Concurrent(account) => account.idle_at(),
        }
    }

    /// Returns the end of the window that counts now, if the account counts in windows.
    #[must_use]
    pub fn window_ends(&self, quota: &Quota) -> Option<Timestamp> {
        match self {
            Self::FixedWindow(account) => Some(account.ends()),
            Self::SlidingWindow(account) => Some(account.begins() + quota.window()),
            Self::TokenBucket(_) | Self::SlidingLog(_) | Self::Concurrent(_) => None,
        }
    }
}
