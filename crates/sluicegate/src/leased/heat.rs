//! Hot keys.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::Timestamp;

/// The times of the latest requests of as many accounts as there is room for: a chunk is worth its call only for an
/// account that is soon asked again.
pub(super) struct Heat(Box<[AtomicU64]>);

impl Heat {
    pub(super) fn new() -> Self {
        Self((0..ROOM).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes a request, and returns `true` if the one before it came no longer than so much earlier.
    pub(super) fn is_hot(&self, account: u64, now: Timestamp, within: Duration) -> bool {
        // Half of it tells the accounts of one place apart, half is the time: it wraps after 49 days, which makes an
        // account hot at most once too often.
        let tag = account | TIMES;
        let millis = (now.ticks() / TICKS_PER_MILLISECOND).wrapping_add(1) & TIMES;
        let place = (account % ROOM) as usize;
        let last = self.0[place].swap(tag & !TIMES | millis, Relaxed);
        let since = u128::from(millis.wrapping_sub(last & TIMES) & TIMES);
        last != 0 && last | TIMES == tag && since <= within.as_millis()
    }
}

const ROOM: u64 = 4_096;
const TIMES: u64 = u32::MAX as u64;
const TICKS_PER_MILLISECOND: u64 = 16_000_000;
