//! Accounts that have changed.

use std::sync::atomic::{AtomicU32, Ordering};

/// The number of changes of each account through the cache. Knowledge about an account from one epoch is
/// invalid in the next.
///
/// Accounts that fall together change together: the cache then forgets what it need not.
pub(super) struct Epochs(Box<[AtomicU32]>);

impl Epochs {
    /// So many that a cache of this many entries seldom forgets what it need not.
    pub(super) fn for_keys(max_keys: usize) -> Self {
        let count = max_keys.saturating_mul(2).clamp(FEWEST, MOST).next_power_of_two();
        Self((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    #[inline]
    pub(super) fn of(&self, account: u64) -> u32 {
        self.slot(account).load(Ordering::Acquire)
    }

    /// Ends an account's epoch.
    #[inline]
    pub(super) fn end(&self, account: u64) {
        self.slot(account).fetch_add(1, Ordering::Release);
    }

    pub(super) fn end_all(&self) {
        for epoch in &self.0 {
            epoch.fetch_add(1, Ordering::Release);
        }
    }

    #[inline]
    fn slot(&self, account: u64) -> &AtomicU32 {
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let bits = account as usize;
        // There is a power of two of them.
        &self.0[bits & (self.0.len() - 1)]
    }
}

const FEWEST: usize = 1 << 10;
/// Half a mebibyte.
const MOST: usize = 1 << 17;
