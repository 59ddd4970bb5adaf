//! The classes of the bytes in a block of text, eight bytes at a time.

/// The bytes of a block, one for each bit of a mask.
pub(super) const BLOCK: usize = 64;

/// The classes of up to 64 bytes. A byte's bit is set in the mask of its class, and the first byte has the lowest bit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Masks {
    pub(super) lower: u64,
    pub(super) upper: u64,
    pub(super) digit: u64,
    /// Spaces and tabs.
    pub(super) blank: u64,
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
        let (words, _) = block.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            masks.set(u64::from_le_bytes(*word), 8 * index);
        }
        masks
    }

    /// The masks of the rest of a text, which is not empty and shorter than a block.
    pub(super) fn of_rest(rest: &[u8]) -> Self {
        let mut masks = Self::default();
        for (index, bytes) in rest.chunks(8).enumerate() {
            // A space in the place of the bytes that are missing, which `valid` takes away.
            let mut word = [b' '; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            masks.set(u64::from_le_bytes(word), 8 * index);
            masks.length += u32::try_from(bytes.len()).unwrap_or_default();
        }
        masks.blank &= masks.valid();
        masks
    }

    pub(super) fn letter(&self) -> u64 {
        self.lower | self.upper
    }

    pub(super) fn whitespace(&self) -> u64 {
        self.blank | self.line_end
    }

    /// The bits of bytes that are there.
    pub(super) fn valid(&self) -> u64 {
        u64::MAX >> (64 - self.length)
    }

    /// Sets the bits of eight bytes from bit `at` on.
    #[inline(always)]
    fn set(&mut self, word: u64, at: usize) {
        let (ascii, low) = (!word & HIGH, word & !HIGH);
        // The high bit of each byte that is at least this character, beside bits without a meaning.
        let reaches = |least: u8| low + reaching(least);
        let between = |from: u8, to: u8| reaches(from) & !reaches(to + 1);
        let lower = ascii & between(b'a', b'z');
        let upper = ascii & between(b'A', b'Z');
        let digit = ascii & between(b'0', b'9');
        let graphic = ascii & between(b'!', b'~');
        let blank = ascii & (between(b' ', b' ') | between(b'\t', b'\t'));
        let other = ascii & !(graphic | blank);
        self.lower |= bits(lower) << at;
        self.upper |= bits(upper) << at;
        self.digit |= bits(digit) << at;
        self.blank |= bits(blank) << at;
        self.punctuation |= bits(graphic & !(lower | upper | digit)) << at;
        if other != 0 {
            let line_end = other & (between(b'\n', b'\n') | between(b'\r', b'\r'));
            self.line_end |= bits(line_end) << at;
            self.control |= bits(other & !line_end) << at;
        }
        if ascii != HIGH {
            // A first byte has its two high bits set, and those that follow only one.
            self.lead |= bits(word & HIGH & word << 1) << at;
        }
    }
}

/// The number whose sum with a byte below 0x80 has the high bit set if the byte is at least `least`, in each of eight bytes.
const fn reaching(least: u8) -> u64 {
    (0x80 - least as u64) * 0x0101_0101_0101_0101
}

/// The high bits of eight bytes, gathered in the lowest eight.
#[inline(always)]
const fn bits(flags: u64) -> u64 {
    (flags >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

const HIGH: u64 = 0x8080_8080_8080_8080;
