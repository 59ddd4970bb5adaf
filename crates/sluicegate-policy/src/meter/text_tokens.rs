//! Estimating the tokens of a text, in one pass and without a tokenizer.

mod masks;
mod scripts;
mod weights;

use fearless_simd::{Level, Simd, dispatch};
use masks::{BLOCK, Masks};
use weights::Kind;

pub use weights::Tokenizer;

/// The estimated tokens of a text that comes in pieces, such as the deltas of a stream.
///
/// The estimate counts characters by class, and the changes between classes, and weighs the counts for a family of tokenizers.
/// It depends on the text alone, and never on where its pieces end. It stays within 20 % for prose, code and data in most
/// scripts. No text has more tokens than bytes, and neither has its estimate.
///
/// ```
/// use sluicegate_policy::{TextTokens, Tokenizer};
///
/// let mut text = TextTokens::default();
/// text.push("The quick brown fox ");
/// text.push("jumps over the lazy dog.");
/// assert_eq!(text.likely(Tokenizer::O200k), 9);
/// assert_eq!(text.reserved(Tokenizer::O200k), 10);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TextTokens {
    counts: [u64; Kind::COUNT],
    bytes: u64,
    edge: Edge,
}

/// The end of the text so far, as far as it decides what the next character counts.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    /// 1 if the last character is of this class.
    lower: u64,
    upper: u64,
    /// The digits of the last group, 1 to 3, if the last character is a digit.
    digits: u64,
    /// The letters at the end.
    letters: u64,
    /// The whitespace characters at the end: 0, 1, or 2 for more.
    spaces: u64,
    /// The whitespace at the end has a line end.
    has_line_end: bool,
}

impl TextTokens {
    /// The likely number of tokens of a text.
    #[must_use]
    pub fn of(text: &str, tokenizer: Tokenizer) -> u64 {
        let mut tokens = Self::default();
        tokens.push(text);
        tokens.likely(tokenizer)
    }

    /// Adds the next piece of the text.
    pub fn push(&mut self, piece: &str) {
        self.bytes += piece.len() as u64;
        dispatch!(Level::new(), simd => self.count_all(simd, piece.as_bytes()));
    }

    /// Ends the text. What follows is another one, whose first characters continue no word or number of this one.
    pub fn end(&mut self) {
        self.counts[Kind::BlankRun as usize] += self.open_blanks();
        self.edge = Edge::default();
    }

    /// The bytes of the text.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The likely number of tokens, too low as often as too high.
    #[must_use]
    pub fn likely(&self, tokenizer: Tokenizer) -> u64 {
        self.weighted(tokenizer.likely()).min(self.bytes)
    }

    /// The number of tokens to reserve: 15 % more on average, and 2 % too low at worst for a kind of text.
    ///
    /// Texts written to deceive it can have up to twice as many tokens, or three times in rare scripts. Only
    /// [`bytes`](Self::bytes) bounds them.
    #[must_use]
    pub fn reserved(&self, tokenizer: Tokenizer) -> u64 {
        let words = self.counts[Kind::LetterRun as usize];
        self.weighted(tokenizer.reserved()).max(words).min(self.bytes)
    }

    /// Rounded up.
    fn weighted(&self, hundredths: &[u64; Kind::COUNT]) -> u64 {
        let open = self.open_blanks() * hundredths[Kind::BlankRun as usize];
        let counted = self.counts.iter().zip(hundredths).map(|(count, weight)| count.saturating_mul(*weight));
        counted.fold(open, u64::saturating_add).div_ceil(100)
    }

    /// 1 if the text ends with a run of blanks that counts.
    fn open_blanks(&self) -> u64 {
        u64::from(self.edge.spaces == 2 && !self.edge.has_line_end)
    }

    #[inline(always)]
    fn add(&mut self, kind: Kind, count: u32) {
        self.counts[kind as usize] += u64::from(count);
    }

    /// Adds the bits of a mask, most of which have none.
    #[inline(always)]
    fn add_bits(&mut self, kind: Kind, mask: u64) {
        if mask != 0 {
            self.add(kind, mask.count_ones());
        }
    }

    /// Counts a text with the instructions of `simd`. All that it calls is inlined, and so compiled for them.
    #[inline(always)]
    fn count_all<S: Simd>(&mut self, simd: S, text: &[u8]) {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            self.count(&Masks::of_block(simd, block), text, index * BLOCK);
        }
        if !rest.is_empty() {
            self.count(&Masks::of_rest(simd, rest), text, blocks.len() * BLOCK);
        }
    }

    /// Counts a block, which begins `at` this byte of `text`.
    #[inline(always)]
    fn count(&mut self, block: &Masks, text: &[u8], at: usize) {
        let Masks { lower, upper, digit, .. } = *block;
        let (was, letter) = (self.edge, block.letter());
        let [after_lower, after_upper, after_digit] =
            [(lower, was.lower), (upper, was.upper), (digit, u64::from(was.digits > 0))]
                .map(|(mask, before)| mask << 1 | before);
        self.add_bits(Kind::Lower, lower);
        self.add_bits(Kind::Upper, upper);
        self.add_bits(
            Kind::Switch,
            after_lower & (upper | digit) | after_upper & digit | after_digit & letter,
        );
        self.add_bits(Kind::Punctuation, block.punctuation);
        self.add_bits(Kind::OtherByte, block.control);
        self.add_bits(Kind::LetterRun, letter & !(after_lower | after_upper));
        self.add(Kind::LateLetter, late_letters(letter, was.letters));
        if digit != 0 {
            self.add(Kind::Digit, digit.count_ones());
            self.add(Kind::DigitGroup, digit_groups(digit, after_digit, was.digits));
        }
        self.count_whitespace(block);
        let mut leads = block.lead;
        while leads != 0 {
            let lead = at + leads.trailing_zeros() as usize;
            let (kind, count) = scripts::kind_at(text, lead);
            self.add(kind, count);
            leads &= leads - 1;
        }

        let trailing = |mask: u64| u64::from((mask << (64 - block.length)).leading_ones());
        let (letters, digits) = (trailing(letter), trailing(digit));
        let goes_on = |run: u64, before: u64| if run == u64::from(block.length) { before } else { 0 };
        self.edge.lower = u64::from(trailing(lower) > 0);
        self.edge.upper = u64::from(trailing(upper) > 0);
        self.edge.letters = letters + goes_on(letters, was.letters);
        self.edge.digits = match digits {
            0 => 0,
            run => (run + goes_on(run, was.digits) - 1) % 3 + 1,
        };
    }

    /// Counts the runs of whitespace: each with a line end, and each of blanks alone that has more than one.
    #[inline(always)]
    fn count_whitespace(&mut self, block: &Masks) {
        let (space, line_end, was) = (block.space, block.line_end, self.edge);
        if space == 0 && was.spaces == 0 {
            return;
        }
        let after = space << 1 | u64::from(was.spaces > 0);
        let after_two = space << 2 | (after & 1) << 1 | u64::from(was.spaces > 1);
        // The first of a crowd counts when the second comes.
        let (later, second) = (space & after, space & after & !after_two);
        self.add_bits(Kind::CrowdedSpace, later);
        self.add_bits(Kind::CrowdedSpace, second);

        // Added to a run's blanks, the bit of its start moves to the first bit behind them: a line end, or the run's end.
        let is_open = u64::from(was.spaces > 0 && !was.has_line_end);
        let starts = space & !after | is_open;
        let blanks = space & !line_end;
        let landed = starts.wrapping_add(blanks) & !blanks;
        let ended = landed & !space & block.valid();
        self.add_bits(Kind::LineRun, landed & line_end);
        self.add_bits(Kind::BlankRun, ended & after & after_two);

        let run = (space << (64 - block.length)).leading_ones();
        let spans = run == block.length;
        let in_run = (line_end << (64 - block.length)).leading_zeros() < run;
        self.edge.spaces = (u64::from(run) + if spans { was.spaces } else { 0 }).min(2);
        self.edge.has_line_end = run > 0 && (in_run || spans && was.has_line_end);
    }
}

/// The groups of up to three that begin in these digits. `before` is the number of digits in the group that is open.
#[inline(always)]
fn digit_groups(digit: u64, after_digit: u64, before: u64) -> u32 {
    let mut begun = digit & !after_digit;
    if before > 0 {
        let first = 3 - before;
        let reached = digit.trailing_ones() > u32::try_from(first).unwrap_or_default();
        begun |= u64::from(reached) << first;
    }
    let after_three = digit & digit << 1 & digit << 2 & digit << 3;
    let mut groups = 0;
    while begun != 0 {
        groups += begun.count_ones();
        begun = begun << 3 & after_three;
    }
    groups
}

/// The letters behind the first twenty of a run, of which so many stand `before` these.
#[inline(always)]
fn late_letters(letter: u64, before: u64) -> u32 {
    let two = letter & letter << 1;
    let four = two & two << 2;
    let eight = four & four << 4;
    // No run of eight letters, nor a seventh of one that would be the twenty-first of its run.
    if eight == 0 && before < LATE - 7 {
        return 0;
    }
    let sixteen = eight & eight << 8;
    let late = (sixteen & sixteen << 5).count_ones();
    let first_run = u64::from(letter.trailing_ones());
    let behind = |letters: u64| letters.saturating_sub(LATE);
    let carried = behind(before + first_run) - behind(before) - behind(first_run);
    late + u32::try_from(carried).unwrap_or_default()
}

/// Letters of a run that are words; longer ones are no words.
const LATE: u64 = 20;

#[cfg(test)]
mod tests;
