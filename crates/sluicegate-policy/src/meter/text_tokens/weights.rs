//! The weights of what is counted in a text, for three families of tokenizers.

/// A family of tokenizers whose counts are alike.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Tokenizer {
    /// OpenAI's models since GPT-4o, and models that nothing else is known of.
    #[default]
    O200k,
    /// GPT-4, GPT-3.5 and OpenAI's embeddings.
    Cl100k,
    /// Gemma and Gemini, and others that make a token of every digit.
    Gemma,
}

/// The counts of a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Lower,
    Upper,
    /// Changes within a word: from a small letter to a capital or a digit, from a capital to a digit, from a digit to a letter.
    Switch,
    DigitGroup,
    Digit,
    Punctuation,
    /// Runs of whitespace with a line end.
    LineRun,
    /// Other runs of more than one.
    BlankRun,
    MarkedLatin,
    Vietnamese,
    Greek,
    Cyrillic,
    Semitic,
    Indic,
    Georgian,
    Kana,
    Han,
    Hangul,
    Symbol,
    Emoji,
    /// Bytes of all other characters.
    OtherByte,
    /// Characters of whitespace beside another one.
    CrowdedSpace,
    /// Letters behind the first twenty of a run.
    LateLetter,
    LetterRun,
}

impl Kind {
    pub(super) const COUNT: usize = Self::LetterRun as usize + 1;
}

impl Tokenizer {
    /// The family of a model's tokenizer, by the model's name. `openai/gpt-4` and `gpt-4-0613` are the same model.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default();
        let begins =
            |with: &&&str| name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        FAMILIES
            .iter()
            .filter_map(|(start, family)| Some((start, *family)).filter(|(start, _)| begins(start)))
            .max_by_key(|(start, _)| start.len())
            .map_or(Self::O200k, |(_, family)| family)
    }

    /// Weights in hundredths of a token, fitted to a corpus of 40 kinds of text.
    pub(super) const fn likely(self) -> &'static [u64; Kind::COUNT] {
        match self {
            Self::O200k => &LIKELY_O200K,
            Self::Cl100k => &LIKELY_CL100K,
            Self::Gemma => &LIKELY_GEMMA,
        }
    }

    /// Weights that are seldom too low.
    pub(super) const fn reserved(self) -> &'static [u64; Kind::COUNT] {
        match self {
            Self::O200k => &RESERVED_O200K,
            Self::Cl100k => &RESERVED_CL100K,
            Self::Gemma => &RESERVED_GEMMA,
        }
    }
}

/// Beginnings of models' names; the longest decides.
const FAMILIES: [(&str, Tokenizer); 19] = [
    ("gpt-4", Tokenizer::Cl100k),
    ("gpt-4o", Tokenizer::O200k),
    ("gpt-4.", Tokenizer::O200k),
    ("gpt-3.5", Tokenizer::Cl100k),
    ("gpt-35", Tokenizer::Cl100k),
    ("text-embedding-", Tokenizer::Cl100k),
    ("llama-3", Tokenizer::Cl100k),
    ("llama3", Tokenizer::Cl100k),
    ("meta-llama-3", Tokenizer::Cl100k),
    ("gemma", Tokenizer::Gemma),
    ("gemini", Tokenizer::Gemma),
    ("qwen", Tokenizer::Gemma),
    ("qwq", Tokenizer::Gemma),
    ("mistral", Tokenizer::Gemma),
    ("mixtral", Tokenizer::Gemma),
    ("ministral", Tokenizer::Gemma),
    ("codestral", Tokenizer::Gemma),
    ("llama-2", Tokenizer::Gemma),
    ("llama2", Tokenizer::Gemma),
];

// In the order of `Kind`: ASCII, then scripts, then what only reservations count.
const LIKELY_O200K: [u64; Kind::COUNT] =
    [21, 48, 45, 110, 0, 45, 87, 144, 142, 13, 39, 38, 40, 42, 41, 75, 81, 68, 260, 214, 100, 0, 0, 0];
const LIKELY_CL100K: [u64; Kind::COUNT] =
    [22, 50, 46, 109, 0, 44, 56, 153, 249, 65, 105, 62, 94, 119, 211, 103, 107, 108, 330, 297, 100, 0, 0, 0];
const LIKELY_GEMMA: [u64; Kind::COUNT] =
    [20, 50, 48, 0, 102, 57, 169, 97, 116, 14, 40, 34, 41, 31, 46, 47, 69, 63, 246, 157, 100, 0, 0, 0];
const RESERVED_O200K: [u64; Kind::COUNT] =
    [25, 55, 50, 110, 0, 60, 100, 150, 160, 60, 47, 47, 48, 48, 48, 85, 95, 80, 280, 240, 100, 7, 30, 0];
/// A fifth more than is likely.
const RESERVED_CL100K: [u64; Kind::COUNT] = {
    let mut weights = LIKELY_CL100K;
    let mut kind = 0;
    while kind < Kind::COUNT {
        weights[kind] = (weights[kind] * 6).div_ceil(5);
        kind += 1;
    }
    weights
};
const RESERVED_GEMMA: [u64; Kind::COUNT] =
    [24, 57, 50, 0, 103, 67, 180, 130, 140, 60, 47, 43, 52, 38, 50, 60, 82, 75, 270, 190, 100, 7, 30, 0];
