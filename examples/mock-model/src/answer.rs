//! A response in the making: amounts and texts, the same for every dialect.

use crate::question::Question;
use crate::settings::{Settings, Usage};

/// A response in the making.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) choices: u64,
    pub(crate) candidates: u64,
    pub(crate) input: u64,
    /// Tokens of the first prompt, all that llama-server reports of several.
    pub(crate) first_input: u64,
    pub(crate) cached: u64,
    /// Tokens of each completion.
    pub(crate) output: u64,
    /// The request's maximum ended the completions.
    pub(crate) is_cut: bool,
    pub(crate) usage: Usage,
    pub(crate) include_usage: bool,
    chunk_tokens: u64,
}

impl Answer {
    pub(crate) fn new(
        question: Question,
        input: u64,
        number: u64,
        created: u64,
        settings: &Settings,
    ) -> Self {
        let max_tokens = question.max_tokens.unwrap_or(u64::MAX);
        Self {
            number,
            created,
            model: question.model,
            choices: question.choices,
            candidates: question.candidates,
            input,
            // Where the setting says how long prompts are, it says so of the first, too.
            first_input: question.first_prompt.filter(|_| settings.input_tokens.is_none()).unwrap_or(input),
            cached: settings.cached_tokens.min(input),
            output: settings.output_tokens.min(max_tokens),
            is_cut: max_tokens < settings.output_tokens,
            usage: settings.usage,
            include_usage: question.include_usage,
            chunk_tokens: settings.chunk_tokens,
        }
    }

    /// The number of chunks of each completion.
    pub(crate) fn chunks(&self) -> u64 {
        self.output.div_ceil(self.chunk_tokens)
    }

    /// The number of tokens of a chunk.
    pub(crate) fn tokens(&self, chunk: u64) -> u64 {
        let before = chunk.saturating_mul(self.chunk_tokens);
        self.output.saturating_sub(before).min(self.chunk_tokens)
    }

    /// The text of a chunk.
    pub(crate) fn text(&self, chunk: u64) -> String {
        let before = chunk.saturating_mul(self.chunk_tokens);
        words(before, self.tokens(chunk))
    }

    /// The text of a completion.
    pub(crate) fn whole_text(&self) -> String {
        words(0, self.output)
    }

    /// Tokens of all completions.
    pub(crate) fn produced(&self) -> u64 {
        self.output * self.candidates
    }
}

/// So many tokens of text, after those before.
fn words(before: u64, tokens: u64) -> String {
    let first = before % WORDS.len() as u64;
    WORDS
        .iter()
        .cycle()
        .zip(0..first + tokens)
        .filter(|(_, at)| *at >= first)
        .map(|(word, _)| *word)
        .collect()
}

/// The tokens: with characters of one to four bytes, and those that JSON escapes. A tokenizer would make one of each.
const WORDS: [&str; 8] = [" the", " gate", " opens", "\"", "\n", " naïve", " 水", " 🌊"];
