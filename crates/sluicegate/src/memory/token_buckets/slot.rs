//! The slot of one account.

use super::{hold::Hold, rows::WORDS, word::Word};
use crate::{
    Charge, Timestamp,
    accounts::{Account, TokenBucket},
};

/// The slot of one account: the tag of its key, and the time at which its bucket will be full.
///
/// # Protocol
///
/// The second word is the time, mixed with the tag. It changes in one of two ways:
///
/// * A compare-and-swap from one time to the next, by any thread. That is a take or a settlement.
/// * A compare-and-swap to [`LOCKED`], which makes the slot that thread's own until it stores another time. Only
///   meanwhile, the tag may change.
///
/// As the tag is in both words, the word of one key is never that of another (but by a chance of 2⁻⁶⁴). So a
/// thread that has lost its processor between looking and swapping swaps nothing if the slot has another key by
/// then, whatever time that key has.
#[derive(Debug)]
pub(in crate::memory) struct Slot<'t, W> {
    pub(super) row: &'t [W; WORDS],
    /// The place in the row.
    pub(super) index: usize,
    /// The slot's two words.
    pub(super) words: &'t [W; 2],
}

impl<W> Clone for Slot<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Slot<'_, W> {}

impl<'t, W: Word> Slot<'t, W> {
    /// The hints of the whole row.
    pub(super) fn hints(self) -> &'t W {
        &self.row[0]
    }

    #[inline(always)]
    pub(super) fn tag(self) -> &'t W {
        &self.words[0]
    }

    #[inline(always)]
    pub(super) fn word(self) -> &'t W {
        &self.words[1]
    }

    /// Returns the account of the key of this tag.
    #[inline(always)]
    pub(super) fn read(self, owner: u64) -> Sight<'t, W> {
        let word = self.word().load();
        if self.tag().load() != owner {
            return Sight::Other;
        }
        // The word may be that of another key, which came since and has gone: the tag is right, but the word has
        // changed again.
        if word == LOCKED || self.word().load() != word {
            return Sight::Moving;
        }
        Sight::Account(Entry { slot: self, owner, word })
    }

    /// Returns the account in the slot, whoever has it; that of nobody in an empty slot. `None` if the slot is locked.
    pub(super) fn read_any(self) -> Option<Entry<'t, W>> {
        loop {
            let word = self.word().load();
            if word == LOCKED {
                return None;
            }
            let owner = self.tag().load();
            if self.word().load() == word {
                return Some(Entry { slot: self, owner, word });
            }
        }
    }
}

/// The sight of a slot.
pub(super) enum Sight<'t, W> {
    Account(Entry<'t, W>),
    /// Another key has the slot.
    Other,
    /// The slot is locked, or just was.
    Moving,
}

/// An account, as it was when a thread looked.
#[derive(Debug)]
pub(in crate::memory) struct Entry<'t, W> {
    slot: Slot<'t, W>,
    owner: u64,
    word: u64,
}

impl<W> Clone for Entry<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Entry<'_, W> {}

impl<'t, W: Word> Entry<'t, W> {
    #[inline]
    pub(in crate::memory) fn account(self) -> TokenBucket {
        account_of(self.word, self.owner)
    }

    /// Takes a charge if it fits and the account is still as it was. Returns the account as it was.
    #[inline(always)]
    pub(super) fn take(self, charge: &Charge, now: Timestamp) -> Option<TokenBucket> {
        let before = self.account();
        let mut account = before;
        if before.takes(charge, now) {
            account.charge(&charge.quota, charge.cost, now);
            return self.replace(account).then_some(before);
        }
        Some(before)
    }

    /// Returns `true` if nobody's account is in the slot.
    pub(super) fn is_empty(self) -> bool {
        self.owner == EMPTY
    }

    /// Replaces the account if it is still as it was.
    #[inline]
    pub(super) fn replace(self, account: TokenBucket) -> bool {
        self.slot.word().replace(self.word, word_of(account, self.owner))
    }

    /// Locks the slot if the account is still as it was. The caller unlocks it soon.
    #[inline]
    pub(in crate::memory) fn lock(self) -> bool {
        self.slot.word().replace(self.word, LOCKED)
    }

    /// Unlocks the slot, which then has this account.
    #[inline]
    pub(in crate::memory) fn unlock(self, account: TokenBucket) {
        self.slot.word().store(word_of(account, self.owner));
    }

    /// [`lock`](Self::lock), to be unlocked when the returned value is dropped.
    pub(in crate::memory) fn hold(self) -> Option<Hold<'t, W>> {
        self.lock().then(|| Hold::new(self.slot, self.owner, self.word))
    }

    /// The place of the slot, by which threads order those that they lock.
    pub(in crate::memory) fn address(self) -> usize {
        std::ptr::from_ref(self.slot.word()).addr()
    }
}

/// The second word of a slot that keeps this account for the key of this tag.
#[inline]
pub(super) fn word_of(account: TokenBucket, owner: u64) -> u64 {
    let ticks = account.idle_at().ticks();
    match ticks ^ owner {
        // A tick later then: an account may admit too little by one. It is not the last tick, for no tag is zero.
        LOCKED => (ticks + 1) ^ owner,
        word => word,
    }
}

/// The account that this word means in the slot of the key of this tag.
#[inline]
pub(super) fn account_of(word: u64, owner: u64) -> TokenBucket {
    TokenBucket::full_at(Timestamp::from_ticks(word ^ owner))
}

/// The tag, and the second word, of an empty slot.
pub(super) const EMPTY: u64 = 0;
/// The second word of a slot that a thread has locked.
pub(super) const LOCKED: u64 = u64::MAX;
