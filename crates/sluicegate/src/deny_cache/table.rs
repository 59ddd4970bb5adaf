//! Denials in a fixed number of places.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{bill::Bill, remembered::Remembered};
use crate::{Denial, Timestamp};

/// Denials in buckets of a fixed number of places, each bucket behind a lock of its own.
pub(super) struct Table {
    buckets: Box<[Mutex<Vec<Remembered>>]>,
    /// How many denials a bucket keeps.
    room: usize,
}

impl Table {
    pub(super) fn of(max_keys: usize) -> Self {
        let room = max_keys.clamp(1, ROOM);
        Self { buckets: (0..(max_keys / room).max(1)).map(|_| Mutex::default()).collect(), room }
    }

    /// The denial that a request would get from the store too.
    pub(super) fn find(&self, bill: &Bill<'_>, now: Timestamp) -> Option<Denial> {
        let place = bill.place();
        self.bucket(place).iter().find(|remembered| remembered.is_of(bill, place))?.denial(bill, now)
    }

    /// Keeps a denial. Where there is no room, the one that ends soonest goes.
    pub(super) fn keep(&self, remembered: Remembered) {
        let mut bucket = self.bucket(remembered.place);
        let known = bucket.iter().position(|other| other.is_like(&remembered));
        let soonest = || (0..bucket.len()).min_by_key(|index| bucket[*index].until);
        let free = bucket.len() < self.room;
        match known.or_else(|| if free { None } else { soonest() }) {
            Some(index) => bucket[index] = remembered,
            None => bucket.push(remembered),
        }
    }

    fn bucket(&self, place: u64) -> MutexGuard<'_, Vec<Remembered>> {
        // Multiplying and shifting spreads 64 random bits over any number, without a division.
        let index = (u128::from(place) * self.buckets.len() as u128) >> u64::BITS;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        let bucket = &self.buckets[index as usize];
        // Nothing panics while it is locked.
        bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ROOM: usize = 8;
