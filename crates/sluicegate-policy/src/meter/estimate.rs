//! The usage that a request may cause, as its body tells before it runs.

use super::json::{Found, search};
use crate::{BodyError, Dialect, JsonPointer};

/// The usage that a request may cause, as its body tells before it runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Estimate {
    /// Tokens that the model will read, in all prompts, before any correction that was learned.
    pub input: u64,
    /// The most tokens that each choice may have, if the request says so.
    pub max_output: Option<u64>,
    /// The number of prompts, at least 1.
    pub prompts: u64,
    /// The number of choices of all prompts: `n` or `best_of`, whichever is larger, times the number of prompts.
    pub choices: u64,
    /// The name of the model.
    pub model: Option<String>,
    /// The request asks for a stream.
    pub streams: bool,
    /// The request asks for the usage at the end of its stream.
    pub asks_for_usage: bool,
    /// The model makes no text, as for embeddings.
    pub is_without_output: bool,
}
impl Estimate {
    /// The estimate of the request with this body.
    pub(crate) fn read(_: Dialect, body: &[u8]) -> Result<Self, BodyError> {
        let pointers = POINTERS.map(JsonPointer::nested);
        let pointers: Vec<_> = pointers.iter().collect();
        let mut found = search(body, &pointers)?.into_iter().map(|found| found.unwrap_or(Found::Null));
        let mut next = || found.next().unwrap_or(Found::Null);
        let count = |found: Found| match found {
            Found::Whole(number) => Some(number.max(1)),
            _ => None,
        };
        let model = next().into_text();
        let streams = matches!(next(), Found::Truth(true));
        let asks_for_usage = matches!(next(), Found::Truth(true));
        let choices = count(next()).max(count(next())).unwrap_or(1);
        let max_output = [next(), next(), next()].into_iter().filter_map(count).max();
        Ok(Self {
            input: body.len() as u64 / 4,
            max_output,
            choices,
            prompts: 1,
            model,
            streams,
            asks_for_usage,
            ..Self::default()
        })
    }
}

const POINTERS: [&[&str]; 8] = [
    &["model"],
    &["stream"],
    &["stream_options", "include_usage"],
    &["n"],
    &["best_of"],
    &["max_tokens"],
    &["max_completion_tokens"],
    &["max_output_tokens"],
];
