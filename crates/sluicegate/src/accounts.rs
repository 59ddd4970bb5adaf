//! The five algorithms, as pure functions on what each remembers of one key.
//!
//! An account judges, is charged and is settled at a time that it is given; it reads no clock and takes no lock.
//! A store keeps accounts, and makes judging and charging one step. All numbers are exact integers, rounded so
//! that an account may admit a tick's worth too little, never too much.

mod fixed_window;
mod sliding_log;
mod sliding_window;
mod slots;
mod token_bucket;

use std::time::Duration;

pub use fixed_window::FixedWindow;
pub use sliding_log::SlidingLog;
pub use sliding_window::SlidingWindow;
pub use slots::Slots;
pub use token_bucket::TokenBucket;

use crate::{Balance, Cost, Quota, Timestamp, Wait, timestamp::duration};

/// What one algorithm remembers of one key. The default is a key that has spent nothing.
pub trait Account: Default {
    /// What taking `cost` would leave. Where it does not fit, the balance says what is left without it, and how
    /// long to [wait](Balance::wait).
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Balance;

    /// Takes `cost`, whether it fits or not: what does not fit is a debt.
    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp);

    /// Replaces an `estimate` that was charged at `taken_at` by the `actual` cost.
    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp);

    /// When this account can be forgotten: from then on it answers as one that has spent nothing.
    fn idle_at(&self) -> Timestamp;

    /// What forgetting the account now would forgive, as ticks that earning it back takes: the measure of who is
    /// forgotten first when there is no room.
    fn spent(&self, now: Timestamp) -> u64;
}

/// The balance of a charge that fits.
#[inline]
fn fits(remaining: u64, reset_after: u64, next_after: u64) -> Balance {
    Balance {
        remaining,
        reset_after: duration(reset_after),
        next_after: duration(next_after),
        wait: Wait::None,
    }
}

/// The wait for a charge that fits in so many ticks.
#[inline]
fn wait(ticks: u64) -> Wait {
    match duration(ticks) {
        Duration::ZERO => Wait::None,
        duration => Wait::For(duration),
    }
}
