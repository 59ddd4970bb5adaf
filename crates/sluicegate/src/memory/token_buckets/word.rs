//! An atomic word.

use std::{
    hint,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// An atomic word of 64 bits: the processor's, or that of the model checker in the tests.
pub(in crate::memory) trait Word: Sized {
    /// Words that are all zero: so many, or fewer where the system does not give as many.
    fn zeros(count: usize) -> Box<[Self]>;

    /// Returns the value, and all that was written before it was stored.
    fn load(&self) -> u64;

    /// Stores a value, after all that was written before.
    fn store(&self, value: u64);

    /// Stores `new` if the value is `current`. Returns `true` if it was.
    fn replace(&self, current: u64, new: u64) -> bool;

    /// Waits a moment for another thread, longer in later rounds.
    fn pause(round: u32);
}

impl Word for AtomicU64 {
    fn zeros(count: usize) -> Box<[Self]> {
        // Zeros from the system take no memory until they are written to, so that it promises more than it has. Some
        // systems do not, or not that much more.
        match bytemuck::try_zeroed_slice_box(count) {
            Ok(words) => words,
            Err(()) if count > FEW => Self::zeros(count / 2),
            Err(()) => bytemuck::zeroed_slice_box(count),
        }
    }

    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn replace(&self, current: u64, new: u64) -> bool {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn pause(round: u32) {
        if round < SPINS {
            hint::spin_loop();
        } else {
            // The other thread may have lost its processor in the middle.
            thread::yield_now();
        }
    }
}

/// Rounds before a waiting thread gives its processor away. A slot is locked for less time than this takes.
const SPINS: u32 = 100;
/// Words that any system has.
const FEW: usize = 1_024;
