//! The accounts of all token buckets, in a table without a lock.

mod hold;
mod rows;
mod slot;
mod word;

#[cfg(test)]
mod models;

use std::sync::atomic::{AtomicU64, Ordering};

use rows::{Row, Rows};
use slot::{Sight, Slot};

pub(super) use hold::Hold;
pub(super) use slot::Entry;
pub(super) use word::Word;

use super::evicted::Evicted;
use crate::{
    Charge, Cost, Quota, Timestamp,
    accounts::{Account, TokenBucket},
    fingerprint::Fingerprint,
};

/// The accounts of all token buckets, in a table without a lock.
///
/// A key may be in either of two rows of seven slots, and a new one goes to that with more room. If both are full of
/// accounts that still matter, the one that has spent least is evicted. So a flood of new keys evicts those same keys,
/// not the caller that used up its quota. A key stays in its slot until it is evicted or reset.
///
/// The table is sized to be four fifths full at its number of keys, where fewer than one key in a thousand is evicted.
///
/// # Threads
///
/// A denial only reads. Charging an account that is there is one compare-and-swap, and several accounts are charged
/// together by [holding](Entry::hold) all of their slots. Only a new account needs a lock, which the caller takes, so
/// that no two threads give one key two accounts.
///
/// # Time
///
/// Threads read the clock before they come here, so one may be charged after another that read a later time. This
/// admits nothing beyond the quota. The time at which a bucket is full grows by at least the worth of each charge and
/// is, after a charge that fits, at most the thread's reading plus a full bucket. Hence charges that fit, with readings in
/// any interval, are together worth at most a full bucket and the interval's length. That is the bound of a thread
/// alone, and a reading is a moment within its own call. A denied thread may be told to wait longer, by as much as its
/// reading was old.
#[derive(Debug)]
pub(super) struct TokenBuckets<W> {
    rows: Rows<W>,
    counts: Box<Counts>,
}

/// Written only when accounts come and go. On cache lines of their own, for the rest of the table is read by all.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    len: AtomicU64,
    evicted: AtomicU64,
    evicted_ticks: AtomicU64,
}

impl<W: Word> TokenBuckets<W> {
    /// An empty table that has room for `keys`.
    pub(super) fn with_room_for(keys: usize) -> Self {
        Self { rows: Rows::with_room_for(keys), counts: Box::default() }
    }

    /// Slots in use, those of accounts that are idle by now included.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.counts.len.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    pub(super) fn evicted(&self) -> Evicted {
        Evicted {
            accounts: self.counts.evicted.load(Ordering::Relaxed),
            ticks: self.counts.evicted_ticks.load(Ordering::Relaxed),
        }
    }

    /// Takes one charge if it fits. Returns the account as it was before, by which the charge was judged. `None` if the key
    /// needs an account for it and has none.
    #[inline(always)]
    pub(super) fn take(
        &self,
        fingerprint: Fingerprint,
        charge: &Charge,
        now: Timestamp,
    ) -> Option<TokenBucket> {
        if let Sight::Account(entry) = self.look(fingerprint)
            && let Some(account) = entry.take(charge, now)
        {
            return Some(account);
        }
        self.take_slowly(fingerprint, charge, now)
    }

    /// The same once a thread has met another one, or found no account.
    #[cold]
    fn take_slowly(&self, fingerprint: Fingerprint, charge: &Charge, now: Timestamp) -> Option<TokenBucket> {
        while let Some(entry) = self.entry(fingerprint) {
            if let Some(account) = entry.take(charge, now) {
                return Some(account);
            }
        }
        let account = TokenBucket::default();
        (!account.takes(charge, now)).then_some(account)
    }

    /// [`take`](Self::take) for a caller that is the only one to give this key an account.
    #[cold]
    pub(super) fn take_new(&self, fingerprint: Fingerprint, charge: &Charge, now: Timestamp) -> TokenBucket {
        let mut round = 0;
        loop {
            if let Some(account) = self.take(fingerprint, charge, now) {
                return account;
            }
            if let Some(mut hold) = self.claim(fingerprint, now) {
                let before = TokenBucket::default();
                let mut account = before;
                account.charge(&charge.quota, charge.cost, now);
                self.keep(&mut hold, fingerprint, account, now);
                return before;
            }
            W::pause(round);
            round += 1;
        }
    }

    /// Replaces the `estimate` that was charged by the `actual` cost. Returns `false` if the key has no account.
    pub(super) fn settle(
        &self,
        fingerprint: Fingerprint,
        quota: &Quota,
        estimate: Cost,
        actual: Cost,
        taken_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        while let Some(entry) = self.entry(fingerprint) {
            let mut account = entry.account();
            account.settle(quota, estimate, actual, taken_at, now);
            if entry.replace(account) {
                return true;
            }
        }
        false
    }

    /// The same for a caller that is the only one to give this key an account.
    pub(super) fn settle_new(
        &self,
        fingerprint: Fingerprint,
        quota: &Quota,
        estimate: Cost,
        actual: Cost,
        taken_at: Timestamp,
        now: Timestamp,
    ) {
        let mut round = 0;
        while !self.settle(fingerprint, quota, estimate, actual, taken_at, now) {
            if let Some(mut hold) = self.claim(fingerprint, now) {
                let mut account = TokenBucket::default();
                account.settle(quota, estimate, actual, taken_at, now);
                self.keep(&mut hold, fingerprint, account, now);
                return;
            }
            W::pause(round);
            round += 1;
        }
    }

    /// Forgets what a key has spent.
    pub(super) fn reset(&self, fingerprint: Fingerprint) {
        while let Some(entry) = self.entry(fingerprint) {
            if let Some(hold) = entry.hold() {
                self.counts.len.fetch_sub(1, Ordering::Relaxed);
                hold.empty();
                return;
            }
        }
    }

    /// Forgets every account.
    pub(super) fn clear(&self) {
        for slot in self.rows.slots() {
            let mut round = 0;
            loop {
                match slot.read_any() {
                    Some(entry) if entry.is_empty() => break,
                    Some(entry) => {
                        if let Some(hold) = entry.hold() {
                            self.counts.len.fetch_sub(1, Ordering::Relaxed);
                            hold.empty();
                            break;
                        }
                    }
                    None => W::pause(round),
                }
                round += 1;
            }
        }
    }

    /// Forgets every account and frees the memory that they took.
    pub(super) fn free(&mut self) {
        self.rows.free();
        *self.counts.len.get_mut() = 0;
    }

    /// Returns the account of a key, as it is at one moment. Waits while another thread holds the slot.
    #[inline(always)]
    pub(super) fn entry(&self, fingerprint: Fingerprint) -> Option<Entry<'_, W>> {
        let mut round = 0;
        loop {
            match self.look(fingerprint) {
                Sight::Account(entry) => return Some(entry),
                Sight::Other => return None,
                Sight::Moving => W::pause(round),
            }
            round += 1;
        }
    }

    /// Looks for the account of a key in both rows.
    ///
    /// Memory is slow, and only reads that are predicted are fetched ahead: the second row with the first, and the next
    /// request's rows with these. So this does not branch on which row has the key.
    #[inline(always)]
    fn look(&self, fingerprint: Fingerprint) -> Sight<'_, W> {
        let tag = fingerprint.tag();
        let Some(rows) = self.rows.of(fingerprint) else { return Sight::Other };
        let [first, second] = rows.map(|row| row.candidates(fingerprint.hint()));
        // In each byte, a bit for the first row, and one for the second.
        let mut candidates = first | second << 1;
        while candidates != 0 {
            let place = candidates.trailing_zeros() as usize;
            match rows[place % 2].slot(place / 8).read(tag) {
                Sight::Other => candidates &= candidates - 1,
                found => return found,
            }
        }
        Sight::Other
    }

    /// Locks a slot for the account of a key that has none: one that is as good as empty, or that of the account that
    /// has spent least. `None` if other threads were faster.
    ///
    /// The caller must be the only one to give this key an account.
    pub(super) fn claim(&self, fingerprint: Fingerprint, now: Timestamp) -> Option<Hold<'_, W>> {
        let [first, second] = self.rows.or_new(fingerprint).map(|row| Room::of(row, now));
        let is_first = if first.idle + second.idle == 0 {
            first.least <= second.least
        } else {
            first.idle >= second.idle
        };
        let room = if is_first { first } else { second };
        room.entry?.hold()
    }

    /// Gives a held slot to a key, with this account. Others see the account once the hold is dropped, and wait for it
    /// until then.
    pub(super) fn keep(
        &self,
        hold: &mut Hold<'_, W>,
        fingerprint: Fingerprint,
        account: TokenBucket,
        now: Timestamp,
    ) {
        if !hold.is_of(fingerprint.tag()) {
            match hold.account() {
                None => {
                    self.counts.len.fetch_add(1, Ordering::Relaxed);
                }
                Some(other) if other.idle_at() > now => self.counts.evict(other.spent(now)),
                Some(_) => {}
            }
        }
        hold.keep(fingerprint, account);
    }
}

impl Counts {
    fn evict(&self, ticks: u64) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
        let add = |sum: u64| Some(sum.saturating_add(ticks));
        // Never fails, for there is always a sum.
        let _ = self.evicted_ticks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

/// The place of a new account in a row.
#[derive(Debug)]
struct Room<'t, W> {
    /// The number of slots that can be reused at no cost.
    idle: usize,
    /// The slot to use, unless all are locked.
    entry: Option<Entry<'t, W>>,
    /// The spending of its account, in ticks.
    least: u64,
}

impl<'t, W: Word> Room<'t, W> {
    fn of(row: Row<'t, W>, now: Timestamp) -> Self {
        let mut room = Self { idle: 0, entry: None, least: u64::MAX };
        for entry in row.slots().filter_map(Slot::read_any) {
            let spent = match entry.account() {
                idle if idle.idle_at() <= now => 0,
                // An account that still matters never goes before one that does not.
                account => account.spent(now).max(1),
            };
            room.idle += usize::from(spent == 0);
            if room.entry.is_none() || spent < room.least {
                (room.entry, room.least) = (Some(entry), spent);
            }
        }
        room
    }
}

/// Bytes for each key that a full table has room for: a slot and a quarter.
#[cfg(test)]
pub(super) const BYTES_PER_KEY: usize = (rows::WORDS * size_of::<u64>() * 5 / 4).div_ceil(rows::SLOTS);
