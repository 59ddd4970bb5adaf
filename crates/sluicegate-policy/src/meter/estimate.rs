//! The usage that a request may cause, as its body tells before it runs.

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
