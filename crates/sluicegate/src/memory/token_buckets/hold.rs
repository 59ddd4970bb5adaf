//! A locked slot.

use super::{
    slot::{EMPTY, Slot, account_of, word_of},
    word::Word,
};
use crate::{accounts::TokenBucket, fingerprint::Fingerprint};

/// A locked slot. Dropping it unlocks the slot as it was, unless it was [kept](Self::keep) or [emptied](Self::empty).
#[derive(Debug)]
pub(in crate::memory) struct Hold<'t, W: Word> {
    slot: Slot<'t, W>,
    owner: u64,
    /// The second word of the slot once it is unlocked.
    word: u64,
}

impl<'t, W: Word> Hold<'t, W> {
    pub(super) fn new(slot: Slot<'t, W>, owner: u64, word: u64) -> Self {
        Self { slot, owner, word }
    }

    /// Returns `true` if the slot is that of the key of this tag.
    pub(super) fn is_of(&self, owner: u64) -> bool {
        self.owner == owner
    }

    /// The account in the slot, if it is not empty.
    pub(super) fn account(&self) -> Option<TokenBucket> {
        (self.owner != EMPTY).then(|| account_of(self.word, self.owner))
    }

    /// Gives the slot to a key, with this account.
    pub(super) fn keep(&mut self, fingerprint: Fingerprint, account: TokenBucket) {
        let owner = fingerprint.tag();
        if self.owner != owner {
            self.own(owner, fingerprint.hint());
        }
        self.word = word_of(account, owner);
    }

    /// Leaves the slot empty.
    pub(super) fn empty(mut self) {
        self.own(EMPTY, NO_HINT);
        self.word = EMPTY;
    }

    fn own(&mut self, owner: u64, hint: u8) {
        self.owner = owner;
        self.slot.tag().store(owner);
        let shift = self.slot.index * 8;
        loop {
            // Other slots of the row may be changing, too.
            let hints = self.slot.hints().load();
            let hinted = hints & !(0xff << shift) | u64::from(hint) << shift;
            if self.slot.hints().replace(hints, hinted) {
                break;
            }
        }
    }
}

impl<W: Word> Drop for Hold<'_, W> {
    fn drop(&mut self) {
        self.slot.word().store(self.word);
    }
}

/// The hint of an empty slot.
const NO_HINT: u8 = 0;
