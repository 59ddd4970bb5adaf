//! The classes of the bytes in a block of text, sixteen bytes at a time.

use wide::i8x16;

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
    #[inline]
    pub(super) fn of_block(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self { length: 64, ..Self::default() };
        let (lines, _) = block.as_chunks::<LINE>();
        for (index, line) in lines.iter().enumerate() {
            masks.set(line, LINE * index);
        }
        masks
    }

    /// The masks of the rest of a text, which is not empty and shorter than a block.
    pub(super) fn of_rest(rest: &[u8]) -> Self {
        let mut masks = Self::default();
        for (index, bytes) in rest.chunks(LINE).enumerate() {
            // A space in the place of the bytes that are missing, which `valid` takes away.
            let mut line = [b' '; LINE];
            line[..bytes.len()].copy_from_slice(bytes);
            masks.set(&line, LINE * index);
            masks.length += u32::try_from(bytes.len()).unwrap_or_default();
        }
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

    /// Sets the bits of sixteen bytes from bit `at` on.
    #[inline(always)]
    fn set(&mut self, line: &[u8; LINE], at: usize) {
        // Bytes beyond ASCII are negative.
        let line = i8x16::new(line.map(u8::cast_signed));
        let all = |byte: u8| i8x16::splat(byte.cast_signed());
        let mask = |lanes: i8x16| u64::from(lanes.to_bitmask()) << at;
        let between = |from: u8, to: u8| line.simd_gt(all(from - 1)) & all(to + 1).simd_gt(line);
        let (lower, upper, digit) = (between(b'a', b'z'), between(b'A', b'Z'), between(b'0', b'9'));
        let graphic = between(b'!', b'~');
        let blank = line.simd_eq(all(b' ')) | line.simd_eq(all(b'\t'));
        let beyond = line.to_bitmask();
        let words = lower | upper | digit;
        self.lower |= mask(lower);
        self.upper |= mask(upper);
        self.digit |= mask(digit);
        self.space |= mask(blank);
        self.punctuation |= mask(graphic & !words);
        let others = !((graphic | blank).to_bitmask() | beyond) & 0xFFFF;
        if others != 0 {
            let line_end = mask(line.simd_eq(all(b'\n')) | line.simd_eq(all(b'\r')));
            self.line_end |= line_end;
            self.space |= line_end;
            self.control |= u64::from(others) << at & !line_end;
        }
        if beyond != 0 {
            // All that do not begin with the bits 10.
            self.lead |= u64::from(beyond) << at & mask(line.simd_gt(all(0xBF)));
        }
    }
}

/// The bytes of a vector.
const LINE: usize = 16;
