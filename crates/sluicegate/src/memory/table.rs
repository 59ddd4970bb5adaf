//! A table of accounts that never grows beyond its bound.

use std::array;

use super::{accounts::Accounts, evicted::Evicted};
use crate::{
    Charge, Cost, Lease, Quota, Timestamp,
    accounts::{Account, Standing},
    fingerprint::Fingerprint,
};

/// The accounts of one algorithm in one shard.
///
/// A key may be in either of two buckets of eight slots, and a new one goes to that with more room. If both
/// are full of accounts that still matter, the one that has spent least is evicted. So a flood of new keys
/// evicts those same keys, not the caller that used up its quota.
///
/// The table is sized to be four fifths full at its number of keys, where fewer than one key in a thousand is
/// evicted. Its memory comes page by page as keys arrive, and stays.
#[derive(Debug)]
pub(super) struct Table<A> {
    /// Empty until the first account is kept.
    pages: Box<[Option<Box<Page<A>>>]>,
    buckets: u32,
    len: usize,
    evicted: Evicted,
}

impl<A: Account> Table<A> {
    /// An empty table that has room for `keys`.
    pub(super) fn with_room_for(keys: usize) -> Self {
        let buckets = keys.saturating_add(keys / 4).div_ceil(SLOTS).max(1);
        Self {
            pages: Box::default(),
            buckets: u32::try_from(buckets).unwrap_or(u32::MAX),
            len: 0,
            evicted: Evicted::default(),
        }
    }

    /// Slots in use, those of accounts that are idle by now included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// The same table without accounts.
    pub(super) fn emptied(&self) -> Self {
        Self { pages: Box::default(), len: 0, ..*self }
    }

    /// Judges one charge, and takes it if it fits.
    #[inline]
    pub(super) fn take(&mut self, fingerprint: Fingerprint, charge: &Charge, now: Timestamp) -> Standing {
        let Charge { quota, cost, .. } = charge;
        if let Some(account) = self.find_mut(fingerprint) {
            let standing = account.judge(quota, *cost, now);
            if standing.fits() {
                account.charge(quota, *cost, now);
            }
            return standing;
        }
        let mut account = A::default();
        let standing = account.judge(quota, *cost, now);
        if standing.fits() && !cost.is_zero() {
            account.charge(quota, *cost, now);
            self.insert(fingerprint, account, now);
        }
        standing
    }

    #[inline]
    fn find(&self, fingerprint: Fingerprint) -> Option<&A> {
        let (bucket, slot) = self.place(fingerprint)?;
        Some(self.bucket(bucket)?.account(slot))
    }

    #[inline]
    fn find_mut(&mut self, fingerprint: Fingerprint) -> Option<&mut A> {
        let (bucket, slot) = self.place(fingerprint)?;
        Some(self.pages.get_mut(bucket / PAGE)?.as_mut()?.buckets[bucket % PAGE].account_mut(slot))
    }

    /// The bucket and the slot of a key's account.
    ///
    /// Compares with all tags of both buckets and branches once, on whether any is equal, which a processor
    /// predicts. A loop that stops at the right one would be mispredicted half the time. Memory is slow, and
    /// only predicted reads are fetched ahead: the second bucket with the first, and the next request's key
    /// with this one's account.
    #[inline]
    fn place(&self, fingerprint: Fingerprint) -> Option<(usize, usize)> {
        let buckets = fingerprint.buckets(self.buckets);
        let [first, second] = buckets.map(|bucket| match self.bucket(bucket) {
            Some(bucket) => bucket.equal(fingerprint.tag()),
            None => 0,
        });
        let equal = first | second << SLOTS;
        if equal == 0 {
            return None;
        }
        // A shift and a mask of a number below 2 × SLOTS.
        let place = equal.trailing_zeros() as usize;
        Some((buckets[place / SLOTS % 2], place % SLOTS))
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> Option<&Bucket<A>> {
        Some(&self.pages.get(bucket / PAGE)?.as_ref()?.buckets[bucket % PAGE])
    }

    /// Keeps an account that the table does not hold.
    #[cold]
    fn insert(&mut self, fingerprint: Fingerprint, account: A, now: Timestamp) {
        if self.pages.is_empty() {
            let pages = usize::try_from(self.buckets).unwrap_or(usize::MAX).div_ceil(PAGE);
            self.pages = (0..pages).map(|_| None).collect();
        }
        let [first, second] = fingerprint.buckets(self.buckets);
        let (first_room, second_room) = (self.room(first, now), self.room(second, now));
        let is_first = if first_room.idle + second_room.idle == 0 {
            first_room.least <= second_room.least
        } else {
            first_room.idle >= second_room.idle
        };
        let bucket = if is_first { first } else { second };
        let room = if bucket == first { first_room } else { second_room };
        let page = self.pages[bucket / PAGE].get_or_insert_with(Box::default);
        let (tag, kept) = page.buckets[bucket % PAGE].slot(room.slot);
        if *tag == EMPTY {
            self.len += 1;
        } else if room.idle == 0 {
            self.evicted.count(room.least);
        }
        (*tag, *kept) = (fingerprint.tag(), account);
    }

    /// Finds the place of a new account in a bucket, and its price.
    fn room(&self, bucket: usize, now: Timestamp) -> Room {
        let Some(bucket) = self.bucket(bucket) else {
            return Room { idle: SLOTS, slot: 0, least: 0 };
        };
        let mut room = Room { idle: 0, slot: 0, least: u64::MAX };
        for (slot, account) in bucket.accounts().enumerate() {
            let spent = if account.idle_at() <= now {
                0
            } else {
                // An account that still matters never goes before one that does not.
                account.spent(now).max(1)
            };
            room.idle += usize::from(spent == 0);
            if spent < room.least {
                (room.slot, room.least) = (slot, spent);
            }
        }
        room
    }
}

impl<A: Account + Clone> Accounts for Table<A> {
    fn judge(&self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, now: Timestamp) -> Standing {
        match self.find(fingerprint) {
            Some(account) => account.judge(quota, cost, now),
            None => A::default().judge(quota, cost, now),
        }
    }

    fn judge_after(
        &self,
        earlier: &mut dyn Iterator<Item = &Charge>,
        fingerprint: Fingerprint,
        quota: &Quota,
        cost: Cost,
        now: Timestamp,
    ) -> Standing {
        let mut account = self.find(fingerprint).cloned().unwrap_or_default();
        for charge in earlier {
            account.charge(&charge.quota, charge.cost, now);
        }
        account.judge(quota, cost, now)
    }

    fn charge(&mut self, fingerprint: Fingerprint, quota: &Quota, cost: Cost, _: Lease, now: Timestamp) {
        if cost.is_zero() {
            return;
        }
        match self.find_mut(fingerprint) {
            Some(account) => account.charge(quota, cost, now),
            None => {
                let mut account = A::default();
                account.charge(quota, cost, now);
                self.insert(fingerprint, account, now);
            }
        }
    }

    fn settle(
        &mut self,
        fingerprint: Fingerprint,
        quota: &Quota,
        estimate: Cost,
        actual: Cost,
        lease: Lease,
        now: Timestamp,
    ) {
        match self.find_mut(fingerprint) {
            Some(account) => account.settle(quota, estimate, actual, lease.taken_at, now),
            // The account was forgotten, and the estimate with it: there is nothing to give back.
            None if actual <= estimate => {}
            None => {
                let mut account = A::default();
                account.settle(quota, estimate, actual, lease.taken_at, now);
                self.insert(fingerprint, account, now);
            }
        }
    }

    fn reset(&mut self, fingerprint: Fingerprint) {
        let Some((bucket, slot)) = self.place(fingerprint) else { return };
        if let Some(Some(page)) = self.pages.get_mut(bucket / PAGE) {
            let (tag, account) = page.buckets[bucket % PAGE].slot(slot);
            (*tag, *account) = (EMPTY, A::default());
            self.len -= 1;
        }
    }
}

/// The place of a new account in a bucket.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// The number of slots that can be reused at no cost.
    idle: usize,
    /// The slot to use.
    slot: usize,
    /// The spending of its account, in ticks.
    least: u64,
}

/// As many buckets as are allocated together.
#[derive(Debug)]
struct Page<A> {
    buckets: [Bucket<A>; PAGE],
}

impl<A: Default> Default for Page<A> {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| Bucket::default()) }
    }
}

/// Eight slots.
#[derive(Debug, Default)]
struct Bucket<A> {
    lines: [CacheLine<A>; 2],
}

impl<A> Bucket<A> {
    /// A bit for each slot whose tag is this one.
    #[inline]
    fn equal(&self, tag: u64) -> u32 {
        let [first, second] = &self.lines;
        first.equal(tag) | second.equal(tag) << SLOTS_PER_LINE
    }

    #[inline]
    fn account(&self, slot: usize) -> &A {
        &self.lines[slot / SLOTS_PER_LINE % 2].accounts[slot % SLOTS_PER_LINE]
    }

    #[inline]
    fn account_mut(&mut self, slot: usize) -> &mut A {
        &mut self.lines[slot / SLOTS_PER_LINE % 2].accounts[slot % SLOTS_PER_LINE]
    }

    fn accounts(&self) -> impl Iterator<Item = &A> {
        self.lines.iter().flat_map(|line| &line.accounts)
    }

    /// The tag and the account of a slot.
    fn slot(&mut self, slot: usize) -> (&mut u64, &mut A) {
        let line = &mut self.lines[slot / SLOTS_PER_LINE % 2];
        (&mut line.tags[slot % SLOTS_PER_LINE], &mut line.accounts[slot % SLOTS_PER_LINE])
    }
}

/// Four slots, whose tags are on one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct CacheLine<A> {
    /// [`EMPTY`] in a slot without an account.
    tags: [u64; SLOTS_PER_LINE],
    accounts: [A; SLOTS_PER_LINE],
}

impl<A> CacheLine<A> {
    #[inline]
    fn equal(&self, tag: u64) -> u32 {
        let equal = |(slot, kept): (usize, &u64)| u32::from(*kept == tag) << slot;
        self.tags.iter().enumerate().map(equal).fold(0, |all, slot| all | slot)
    }
}

/// The tag of an empty slot.
const EMPTY: u64 = 0;
const SLOTS_PER_LINE: usize = 4;
const SLOTS: usize = 2 * SLOTS_PER_LINE;
const PAGE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{FixedWindow, SlidingLog, SlidingWindow};

    /// Bytes for each key that a full table has room for: a slot and a quarter.
    fn bytes_per_key<A>() -> usize {
        size_of::<Bucket<A>>() * 5 / 4 / SLOTS
    }

    #[test]
    fn a_key_takes_as_many_bytes_as_the_documentation_says() {
        let measured = [
            ("token bucket", super::super::token_buckets::BYTES_PER_KEY),
            ("fixed window", bytes_per_key::<FixedWindow>()),
            ("sliding window", bytes_per_key::<SlidingWindow>()),
            ("sliding log", bytes_per_key::<SlidingLog>()),
        ];
        for (algorithm, bytes) in measured {
            let row = format!("| {algorithm} | {bytes}");
            assert!(include_str!("../memory.rs").contains(&row), "{row}");
            let row = format!("| {} | {bytes}", algorithm.replace(' ', "-"));
            assert!(include_str!("../../../../docs/memory.md").replace('`', "").contains(&row), "{row}");
        }
    }
}
