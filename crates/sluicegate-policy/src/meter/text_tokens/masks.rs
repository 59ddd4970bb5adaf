//! The classes of the bytes in a block of text, all of them at once.

use fearless_simd::{Simd, prelude::*, u8x64};

/// The bytes of a block, one for each bit of a mask.
pub(super) const BLOCK: usize = 64;

/// The classes of up to 64 bytes. A byte's bit is set in the mask of its class, and the first byte has the lowest bit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Masks {
    pub(super) lower: u64,
    pub(super) upper: u64,
    pub(super) digit: u64,
    /// Spaces, tabs and ends of lines.
    pub(super) space: u64,
    /// Line feeds and carriage returns.
    pub(super) line_end: u64,
    pub(super) punctuation: u64,
    /// All other ASCII characters.
    pub(super) control: u64,
    /// First bytes of characters beyond ASCII.
    pub(super) lead: u64,
    /// The number of bytes, 1 to 64.
    pub(super) length: u32,
}

impl Masks {
    #[inline(always)]
    pub(super) fn of_block<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes: u8x64<S> = (*block).simd_into(simd);
        let is = |byte: u8| bytes.simd_eq(byte);
        let between = |from: u8, to: u8| (bytes - from).simd_le(to - from).to_bitmask();
        let (lower, upper, digit) = (between(b'a', b'z'), between(b'A', b'Z'), between(b'0', b'9'));
        let (graphic, blank) = (between(b'!', b'~'), (is(b' ') | is(b'\t')).to_bitmask());
        let beyond = bytes.simd_ge(0x80).to_bitmask();
        let mut masks = Self {
            lower,
            upper,
            digit,
            space: blank,
            punctuation: graphic & !(lower | upper | digit),
            length: 64,
            ..Self::default()
        };
        let others = !(graphic | blank | beyond);
        if others != 0 {
            masks.line_end = (is(b'\n') | is(b'\r')).to_bitmask();
            masks.space |= masks.line_end;
            masks.control = others & !masks.line_end;
        }
        if beyond != 0 {
            // All that do not begin with the bits 10.
            masks.lead = bytes.simd_ge(0xC0).to_bitmask();
        }
        masks
    }

    /// The masks of the rest of a text, which is not empty and shorter than a block.
    #[inline(always)]
    pub(super) fn of_rest<S: Simd>(simd: S, rest: &[u8]) -> Self {
        // A space in the place of the bytes that are missing, which `valid` takes away.
        let mut block = [b' '; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        let mut masks = Self::of_block(simd, &block);
        masks.length = u32::try_from(rest.len()).unwrap_or_default();
        masks.space &= masks.valid();
        masks
    }

    pub(super) fn letter(&self) -> u64 {
        self.lower | self.upper
    }

    /// The bits of bytes that are there.
    pub(super) fn valid(&self) -> u64 {
        u64::MAX >> (64 - self.length)
    }
}
