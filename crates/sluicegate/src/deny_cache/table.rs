//! Denials in a fixed number of places.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{hashed_charges::HashedCharges, remembered::Remembered};
use crate::{Denial, Timestamp};

/// Denials in buckets of a fixed number of places, each bucket behind a lock of its own.
pub(super) struct Table {
    buckets: Box<[Mutex<Bucket>]>,
    /// The number of denials that a bucket keeps.
    room: usize,
}

#[derive(Default)]
struct Bucket {
    denials: Vec<Remembered>,
    /// Counted here, where nobody else writes: threads that find different denials have nothing in common.
    hits: u64,
}

impl Table {
    pub(super) fn of(max_keys: usize) -> Self {
        let room = max_keys.min(ROOM);
        Self {
            buckets: (0..max_keys.checked_div(room).unwrap_or(0)).map(|_| Mutex::default()).collect(),
            room,
        }
    }

    /// Returns `true` if there is room for denials. A table without room is never searched and keeps nothing.
    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// The denial that a request would get from the store too.
    pub(super) fn find(&self, hashed: &HashedCharges<'_>, now: Timestamp) -> Option<Denial> {
        let place = hashed.place();
        let mut bucket = self.bucket(place);
        let denial =
            bucket.denials.iter().find(|remembered| remembered.is_of(hashed, place))?.denial(hashed, now);
        bucket.hits += u64::from(denial.is_some());
        denial
    }

    /// The number of denials found.
    pub(super) fn hits(&self) -> u64 {
        (0..self.buckets.len()).map(|index| self.lock(index).hits).sum()
    }

    /// Keeps a denial. Where there is no room, the one that ends soonest goes.
    pub(super) fn keep(&self, remembered: Remembered) {
        let bucket = &mut self.bucket(remembered.place).denials;
        let known = bucket.iter().position(|other| other.is_like(&remembered));
        let soonest = || (0..bucket.len()).min_by_key(|index| bucket[*index].until);
        let free = bucket.len() < self.room;
        match known.or_else(|| if free { None } else { soonest() }) {
            Some(index) => bucket[index] = remembered,
            None => bucket.push(remembered),
        }
    }

    fn bucket(&self, place: u64) -> MutexGuard<'_, Bucket> {
        // Multiplying and shifting spreads 64 random bits over any number, without a division.
        let index = (u128::from(place) * self.buckets.len() as u128) >> u64::BITS;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        self.lock(index as usize)
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Bucket> {
        // Nothing panics while it is locked.
        self.buckets[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ROOM: usize = 8;
