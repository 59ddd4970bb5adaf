//! The memory of the table: rows of slots.

use std::sync::OnceLock;

use super::{slot::Slot, word::Word};
use crate::fingerprint::Fingerprint;

/// The memory of the table: rows of slots, allocated when the first account comes.
///
/// The system backs it page by page as accounts come, so that an account takes no more memory than its row.
#[derive(Debug)]
pub(super) struct Rows<W> {
    memory: OnceLock<Memory<W>>,
    /// The number of rows wanted.
    count: u32,
}

impl<W: Word> Rows<W> {
    /// Rows that are four fifths full with so many `keys`.
    pub(super) fn with_room_for(keys: usize) -> Self {
        let rows = keys.saturating_add(keys / 4).div_ceil(SLOTS).max(1);
        Self { memory: OnceLock::new(), count: u32::try_from(rows).unwrap_or(u32::MAX) }
    }

    /// The two rows in which a key may be. `None` if no account ever came.
    #[inline(always)]
    pub(super) fn of(&self, fingerprint: Fingerprint) -> Option<[Row<'_, W>; 2]> {
        Some(self.memory.get()?.rows_of(fingerprint))
    }

    /// The same rows, with memory for the first account.
    pub(super) fn or_new(&self, fingerprint: Fingerprint) -> [Row<'_, W>; 2] {
        self.memory.get_or_init(|| Memory::of(self.count)).rows_of(fingerprint)
    }

    /// All slots that have memory.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'_, W>> {
        let rows = self.memory.get().map_or(&[][..], Memory::rows);
        rows.iter().flat_map(|words| Row { words }.slots())
    }

    /// Frees the memory, with all that is in it.
    pub(super) fn free(&mut self) {
        self.memory.take();
    }
}

/// All rows, one after the other.
#[derive(Debug)]
struct Memory<W> {
    words: Box<[W]>,
    /// The first word that begins a cache line.
    first: usize,
}

impl<W: Word> Memory<W> {
    fn of(rows: u32) -> Self {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let words = W::zeros(rows.saturating_mul(WORDS).saturating_add(SPARE));
        let first = words.as_ptr().align_offset(CACHE_LINE).min(SPARE);
        Self { words, first }
    }

    #[inline(always)]
    fn rows(&self) -> &[[W; WORDS]] {
        self.words.get(self.first..).unwrap_or_default().as_chunks().0
    }

    #[inline(always)]
    fn rows_of(&self, fingerprint: Fingerprint) -> [Row<'_, W>; 2] {
        let rows = self.rows();
        #[expect(clippy::cast_possible_truncation, reason = "made from a number of 32 bits")]
        let buckets = fingerprint.buckets(rows.len() as u32);
        buckets.map(|row| Row { words: &rows[row] })
    }
}

/// Seven slots on two cache lines: a word of hints, and two words for each slot.
///
/// A hint is a byte of the key's fingerprint, so that a key is looked for in all slots at once.
#[derive(Debug)]
pub(super) struct Row<'t, W> {
    words: &'t [W; WORDS],
}

impl<W> Clone for Row<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Row<'_, W> {}

impl<'t, W: Word> Row<'t, W> {
    /// The lowest bit of byte `n` for each slot `n` that has this hint.
    #[inline(always)]
    pub(super) fn candidates(self, hint: u8) -> u64 {
        let unequal = self.words[0].load() ^ (u64::from(hint) * LOW_BITS);
        // Adding carries into the high bit of each byte that is not zero, and no further.
        let low = (unequal & !HIGH_BITS) + !HIGH_BITS;
        (!(low | unequal) & HIGH_BITS) >> 7
    }

    #[inline(always)]
    pub(super) fn slot(self, slot: usize) -> Slot<'t, W> {
        let (pairs, _) = self.words.as_chunks();
        // The first pair has the hints.
        Slot { row: self.words, index: slot, words: &pairs[(slot + 1) % pairs.len()] }
    }

    pub(super) fn slots(self) -> impl Iterator<Item = Slot<'t, W>> {
        (0..SLOTS).map(move |slot| self.slot(slot))
    }
}

pub(super) const SLOTS: usize = 7;
/// Words of a row: one of hints, one to spare, and two for each slot.
pub(super) const WORDS: usize = 2 + 2 * SLOTS;
/// The lowest bit of each byte.
const LOW_BITS: u64 = u64::MAX / 255;
/// The highest bit of each byte.
const HIGH_BITS: u64 = LOW_BITS << 7;
/// Bytes.
const CACHE_LINE: usize = 64;
/// Words of a cache line that may be passed over before the first row.
const SPARE: usize = CACHE_LINE / size_of::<u64>() - 1;
