//! An account of any algorithm.

use super::{Account, FixedWindow, SlidingLog, SlidingWindow, Slots, Standing, TokenBucket};
use crate::{Algorithm, Balance, Cost, Quota, Timestamp, timestamp::ticks};

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

    /// The account that a peek at `now` showed this balance of.
    ///
    /// Exact for token buckets, for fixed windows without debt, and for slots. A balance does not tell when each of the units
    /// comes back that sliding windows and logs have spent: one comes when the balance says, and the others with the last.
    ///
    /// ```
    /// use sluicegate::{Balance, Cost, Quota, Timestamp, Wait, accounts::AnyAccount};
    /// use std::time::Duration;
    ///
    /// let quota: Quota = "10/minute".parse()?;
    /// let (none, now) = (Duration::ZERO, Timestamp::EPOCH + Quota::MAX_WINDOW);
    /// let balance = Balance { remaining: 3, reset_after: Duration::from_secs(42), next_after: none, wait: Wait::None };
    /// let account = AnyAccount::of_balance(&quota, &balance, now);
    /// assert_eq!(Balance::from(account.judge(&quota, Cost::new(5), now)).wait, Wait::For(Duration::from_secs(12)));
    /// # Ok::<(), sluicegate::QuotaError>(())
    /// ```
    #[must_use]
    pub fn of_balance(quota: &Quota, balance: &Balance, now: Timestamp) -> Self {
        let spent = quota.amount().saturating_sub(balance.remaining);
        let idle_at = now + balance.reset_after;
        match quota.algorithm() {
            _ if spent == 0 && balance.reset_after.is_zero() => Self::new(quota.algorithm()),
            Algorithm::TokenBucket => Self::TokenBucket(TokenBucket::full_at(idle_at)),
            Algorithm::FixedWindow => {
                // Each window but the first works off a whole amount of debt.
                let window = quota.window_ticks().max(1);
                let debt = ticks(balance.reset_after).saturating_sub(1) / window;
                let ends = Timestamp::from_ticks(idle_at.ticks().saturating_sub(debt.saturating_mul(window)));
                let count = spent.saturating_add(quota.amount().saturating_mul(debt));
                Self::FixedWindow(FixedWindow::of(quota, ends, count, idle_at))
            }
            Algorithm::SlidingWindow | Algorithm::SlidingLog => {
                let charged = |ends: Timestamp| {
                    Timestamp::from_ticks(ends.ticks().saturating_sub(quota.window_ticks()))
                };
                let first = if balance.remaining == 0 { now + balance.next_after } else { idle_at };
                let charges = [(charged(first), 1), (charged(idle_at), spent.saturating_sub(1))];
                let charges = charges.map(|(at, units)| (at, Cost::new(units)));
                Self::SlidingLog(SlidingLog::of(quota, charges, idle_at))
            }
            Algorithm::Concurrent => Self::Concurrent(Slots::held(spent)),
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
