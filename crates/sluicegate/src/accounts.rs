//! The five algorithms, as pure functions on what each remembers of one key.
//!
//! An account judges, is charged and is settled at a time that it is given; it reads no clock and takes no lock.
//! A store keeps accounts, and makes judging and charging one step. All numbers are exact integers, rounded so
//! that an account may admit a tick's worth too little, never too much.

mod any;
mod fixed_window;
mod sliding_log;
mod sliding_window;
mod slots;
mod standing;
mod token_bucket;
mod verdict;
mod window;

pub use any::AnyAccount;
pub use fixed_window::FixedWindow;
pub use sliding_log::SlidingLog;
pub use sliding_window::SlidingWindow;
pub use slots::Slots;
pub use standing::Standing;
pub use token_bucket::TokenBucket;
pub use verdict::{Books, Snapshot, Verdict};

use crate::{Cost, Quota, Timestamp};

/// One algorithm's memory of one key. The default is a key that has spent nothing.
pub trait Account: Default {
    /// Computes the state after taking `cost`. If it does not fit, the standing has the amount left without
    /// it, and the time to [wait](Standing::wait).
    fn judge(&self, quota: &Quota, cost: Cost, now: Timestamp) -> Standing;

    /// Takes `cost`, whether it fits or not: what does not fit is a debt.
    fn charge(&mut self, quota: &Quota, cost: Cost, now: Timestamp);

    /// Replaces an `estimate` that was charged at `taken_at` by the `actual` cost.
    fn settle(&mut self, quota: &Quota, estimate: Cost, actual: Cost, taken_at: Timestamp, now: Timestamp);

    /// The time when this account can be forgotten: from then on it equals one that has spent nothing.
    fn idle_at(&self) -> Timestamp;

    /// The spending that forgetting the account now would forgive, as the ticks needed to earn it back.
    /// Without room, the account with the least is forgotten first.
    fn spent(&self, now: Timestamp) -> u64;
}
