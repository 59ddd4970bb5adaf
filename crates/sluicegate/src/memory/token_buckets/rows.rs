//! The memory of the table: rows of slots.

use std::sync::OnceLock;

use super::{
    slot::{EMPTY, Slot},
    word::Word,
};
use crate::fingerprint::Fingerprint;

/// The memory of the table: rows of slots, in chunks that are allocated when the first account comes to them.
#[derive(Debug)]
pub(super) struct Rows<W> {
    chunks: Box<[OnceLock<Chunk<W>>]>,
    count: u32,
}

impl<W: Word> Rows<W> {
    /// Rows that are four fifths full with so many `keys`.
    pub(super) fn with_room_for(keys: usize) -> Self {
        let rows = keys.saturating_add(keys / 4).div_ceil(SLOTS).max(1);
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let chunks = rows.div_ceil(ROWS_PER_CHUNK);
        Self { chunks: (0..chunks).map(|_| OnceLock::new()).collect(), count }
    }

    /// The two rows in which a key may be.
    #[inline]
    pub(super) fn of(&self, fingerprint: Fingerprint) -> [usize; 2] {
        fingerprint.buckets(self.count)
    }

    /// A row, or `None` if no account ever came near it.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Option<Row<'_, W>> {
        self.chunks.get(row / ROWS_PER_CHUNK)?.get()?.row(row % ROWS_PER_CHUNK)
    }

    /// A row, which gets its memory if it has none.
    pub(super) fn or_new(&self, row: usize) -> Option<Row<'_, W>> {
        let rows = usize::try_from(self.count).unwrap_or(usize::MAX);
        let chunk = row / ROWS_PER_CHUNK;
        let rows_of_chunk = (rows - chunk * ROWS_PER_CHUNK).min(ROWS_PER_CHUNK);
        self.chunks.get(chunk)?.get_or_init(|| Chunk::new(rows_of_chunk)).row(row % ROWS_PER_CHUNK)
    }

    /// All slots that have memory.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot<'_, W>> {
        self.chunks.iter().filter_map(OnceLock::get).flat_map(Chunk::rows).flat_map(Row::slots)
    }

    /// Frees the memory, with all that is in it.
    pub(super) fn free(&mut self) {
        for chunk in &mut self.chunks {
            chunk.take();
        }
    }
}

/// As many rows as are allocated together. The system backs them page by page as they are written to.
#[derive(Debug)]
struct Chunk<W> {
    words: Box<[W]>,
    /// The first word that begins a cache line.
    first: usize,
}

impl<W: Word> Chunk<W> {
    fn new(rows: usize) -> Self {
        let words = W::zeros(rows * WORDS + SPARE);
        let first = words.as_ptr().align_offset(CACHE_LINE).min(SPARE);
        Self { words, first }
    }

    #[inline]
    fn row(&self, row: usize) -> Option<Row<'_, W>> {
        let begin = self.first + row * WORDS;
        Some(Row { words: self.words.get(begin..)?.first_chunk()? })
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_, W>> {
        (0..self.words.len() / WORDS).filter_map(|row| self.row(row))
    }
}

/// Seven slots on two cache lines: a word of hints, and two words for each slot.
///
/// A hint is a byte of each slot's tag, so that a key is looked for in all slots at once.
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
    /// The lowest bit of byte `n` for each slot `n` that has the hint of this tag.
    #[inline]
    pub(super) fn candidates(self, tag: u64) -> u64 {
        let unequal = self.words[0].load() ^ hint(tag).wrapping_mul(LOW_BITS);
        // Adding carries into the high bit of each byte that is not zero, and no further.
        let low = (unequal & !HIGH_BITS) + !HIGH_BITS;
        (!(low | unequal) & HIGH_BITS) >> 7
    }

    #[inline]
    pub(super) fn slot(self, slot: usize) -> Slot<'t, W> {
        let word = |number: usize| &self.words[number % WORDS];
        Slot { hints: word(0), index: slot, tag: word(2 + 2 * slot), word: word(3 + 2 * slot) }
    }

    pub(super) fn slots(self) -> impl Iterator<Item = Slot<'t, W>> {
        (0..SLOTS).map(move |slot| self.slot(slot))
    }
}

/// A byte of the tag that is zero only for an empty slot.
#[inline]
pub(super) const fn hint(tag: u64) -> u64 {
    match (tag >> 56, tag) {
        (0, EMPTY) => 0,
        (0, _) => 1,
        (hint, _) => hint,
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
/// A mebibyte of rows.
const ROWS_PER_CHUNK: usize = 8_192;
