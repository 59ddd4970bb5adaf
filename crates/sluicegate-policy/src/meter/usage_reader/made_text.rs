//! The number of tokens in text that comes in pieces.

use crate::{TextTokens, Tokenizer};

/// Counts the tokens of one string of JSON at a time, however it is split.
///
/// Most servers send a chunk for each token, so a piece that can be one token counts as one, whatever an estimate of its
/// letters would say. A longer piece is estimated, and has at least as many tokens as it has words: no tokenizer joins two.
#[derive(Clone, Debug, Default)]
pub(super) struct MadeText {
    /// The part of the string that is not counted yet, without escapes.
    held: Vec<u8>,
    /// The escape that is being read, without its backslash.
    escape: Option<Escape>,
    /// The first half of a character beyond the basic plane.
    surrogate: Option<u32>,
    tokens: u64,
}

#[derive(Clone, Copy, Debug)]
struct Escape {
    /// The digits still to come. `None` before the letter.
    digits: Option<u8>,
    code: u32,
}

impl MadeText {
    /// Takes the next piece of a string as it is written. Returns its tokens when it ends.
    pub(super) fn take(&mut self, piece: &[u8], ends: bool) -> u64 {
        if ends && memchr::memchr(b'\\', piece).is_none() {
            return self.take_plain(piece);
        }
        self.take_escaped(piece, ends)
    }

    /// Takes the rest of a string, which has no escapes. Returns its tokens.
    #[inline]
    pub(super) fn take_plain(&mut self, piece: &[u8]) -> u64 {
        let is_fresh = self.held.is_empty() && self.tokens == 0 && self.escape.is_none();
        if is_fresh && piece.len() < HELD { count(piece) } else { self.take_escaped(piece, true) }
    }

    fn take_escaped(&mut self, piece: &[u8], ends: bool) -> u64 {
        for byte in piece {
            self.byte(*byte);
        }
        if !ends {
            return 0;
        }
        self.escape = None;
        self.surrogate = None;
        let tokens = self.tokens + count(&self.held);
        self.held.clear();
        self.tokens = 0;
        tokens
    }

    /// Takes the next piece of a text that has no escapes. It ends as a string does.
    pub(super) fn plain(&mut self, piece: &[u8]) {
        for byte in piece {
            self.push(&[*byte]);
        }
    }

    fn byte(&mut self, byte: u8) {
        let Some(escape) = &mut self.escape else {
            match byte {
                b'\\' => self.escape = Some(Escape { digits: None, code: 0 }),
                _ => self.push(&[byte]),
            }
            return;
        };
        match &mut escape.digits {
            None if byte == b'u' => escape.digits = Some(4),
            None => {
                self.escape = None;
                self.push(&[match byte {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' | b'f' => b' ',
                    other => other,
                }]);
            }
            Some(digits) => {
                escape.code = escape.code << 4 | char::from(byte).to_digit(16).unwrap_or(0);
                *digits -= 1;
                if *digits == 0 {
                    let code = escape.code;
                    self.escape = None;
                    self.code_unit(code);
                }
            }
        }
    }

    fn code_unit(&mut self, code: u32) {
        let code = match (self.surrogate.take(), code) {
            (_, high @ 0xd800..0xdc00) => {
                self.surrogate = Some(high);
                return;
            }
            (Some(high), low @ 0xdc00..0xe000) => 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00),
            (_, other) => other,
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Keeps a part of a character, and counts what is held before it becomes too much. Where it is cut depends on the
    /// text alone, never on the pieces that it came in.
    fn push(&mut self, bytes: &[u8]) {
        let begins_character = bytes.first().is_some_and(|byte| byte & 0xc0 != 0x80);
        if self.held.len() >= HELD && (begins_character || self.held.len() >= 2 * HELD) {
            self.tokens = self.tokens.saturating_add(count(&self.held));
            self.held.clear();
        }
        self.held.extend_from_slice(bytes);
    }
}

#[inline]
fn count(text: &[u8]) -> u64 {
    let Some((first, rest)) = text.split_first() else { return 0 };
    let is_word = text.len() <= LONGEST_TOKEN
        && CLASSES[usize::from(*first)] != Class::Digit
        && rest.iter().all(|byte| CLASSES[usize::from(*byte)] == Class::Letter);
    // Most pieces are one. There is nothing to divide.
    if is_word { 1 } else { count_words(text) }
}

fn count_words(text: &[u8]) -> u64 {
    let words = words(text);
    if words <= 1 && text.len() <= LONGEST_TOKEN {
        return 1;
    }
    words.max(TextTokens::of(&String::from_utf8_lossy(text), Tokenizer::default()))
}

/// The fewest tokens of a text: tokenizers cut it between letters, digits, signs and spaces first. A word may begin with one
/// sign or space, signs and digits with a space, and line feeds may follow signs.
fn words(text: &[u8]) -> u64 {
    let mut words = 0;
    let mut at = 0;
    while at < text.len() {
        words += 1;
        let first = Class::of(text[at]);
        let next = text.get(at + 1).map(|byte| Class::of(*byte));
        at += match (first, next) {
            (Class::Sign | Class::Space, Some(Class::Letter)) => 1 + run(&text[at + 1..], Class::Letter),
            (Class::Space, Some(Class::Sign)) => 1 + run(&text[at + 1..], Class::Sign),
            (Class::Space, Some(Class::Digit)) => 1 + run(&text[at + 1..], Class::Digit).min(DIGITS),
            (Class::Digit, _) => run(&text[at..], Class::Digit).min(DIGITS),
            (class, _) => run(&text[at..], class),
        };
        if Class::of(text[at - 1]) == Class::Sign {
            at += text[at..].iter().take_while(|byte| matches!(**byte, b'\n' | b'\r')).count();
        }
    }
    words
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Class {
    Letter,
    Digit,
    Space,
    Sign,
}

impl Class {
    const fn of(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => Self::Letter,
            b'0'..=b'9' => Self::Digit,
            b' ' | b'\t' | b'\n' | b'\r' => Self::Space,
            _ => Self::Sign,
        }
    }
}

/// The class of each byte.
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Sign; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        classes[byte as usize] = Class::of(byte);
        byte -= 1;
    }
    classes
};

/// The length of the run of a class at the beginning.
fn run(text: &[u8], class: Class) -> usize {
    text.iter().take_while(|byte| Class::of(**byte) == class).count()
}

/// The bytes of a string that are held at most, or a few more.
const HELD: usize = 512;
/// The most digits of one token. Newer tokenizers have three or one.
const DIGITS: usize = 4;
/// The longest piece that is taken for one token.
const LONGEST_TOKEN: usize = 32;
