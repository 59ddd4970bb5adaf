//! The usage that a request may cause, as its body tells before it runs.

mod base64;
mod content;
mod interface;
mod maximum;
mod medium;
mod member;
mod picture;
mod pointers;
mod request;
mod rules;
mod scalar;

use crate::{BodyError, Dialect, TokenizerFile};

use request::Request;

pub(crate) use pointers::RequestPointers;

/// The usage that a request may cause, as its body tells before it runs.
///
/// ```
/// use sluicegate_policy::{Dialect, Estimate};
///
/// let body = br#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, "n": 2}"#;
/// let estimate = Estimate::read(Dialect::OpenAi, body)?;
/// assert_eq!((estimate.input, estimate.max_output, estimate.output(512)), (8, Some(16), 32));
/// # Ok::<(), sluicegate_policy::BodyError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Estimate {
    /// Tokens that the model will read, in all prompts, before any correction that was learned.
    pub input: u64,
    /// The same, as a tokenizer of the model has counted them: they take the place of the estimate, and are not corrected.
    pub counted: Option<u64>,
    /// The most tokens that each choice may have, if the request says so.
    pub max_output: Option<u64>,
    /// Without [`max_output`](Self::max_output), the tokens that each choice may have at least: the request has a maximum by a
    /// name that some servers of its dialect ignore.
    pub named_output: u64,
    /// The number of prompts, at least 1.
    pub prompts: u64,
    /// The number of choices of all prompts: `n` or `best_of`, whichever is larger, times the number of prompts.
    pub choices: u64,
    /// It has pictures, sound, films or files, or refers to some.
    pub has_media: bool,
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
    /// Reads the body of a request, whose path tells nothing of its interface.
    ///
    /// # Errors
    ///
    /// As for [`of_request`](Self::of_request).
    pub fn read(dialect: Dialect, body: &[u8]) -> Result<Self, BodyError> {
        Self::of_request(dialect, "", body)
    }

    /// Reads the body of a request to this path, without its query. The path tells the interface of one endpoint, and in some
    /// dialects the model and the stream.
    ///
    /// # Errors
    ///
    /// When the body is no JSON object, a member that counts is there twice, or a maximum or a number of choices is no number.
    pub fn of_request(dialect: Dialect, path: &str, body: &[u8]) -> Result<Self, BodyError> {
        Request::read(body, None).map(|request| request.estimate(dialect, path))
    }

    /// [`of_request`](Self::of_request), with the input [counted](Self::counted) by a tokenizer.
    pub(super) fn tokenized(
        dialect: Dialect,
        path: &str,
        body: &[u8],
        tokenizer: &TokenizerFile,
    ) -> Result<Self, BodyError> {
        Request::read(body, Some(tokenizer.clone())).map(|request| request.estimate(dialect, path))
    }

    /// The most output tokens of all choices. `forecast` is the output of a choice without a maximum.
    #[must_use]
    pub fn output(&self, forecast: u64) -> u64 {
        if self.is_without_output {
            return 0;
        }
        self.max_output.unwrap_or(forecast.max(self.named_output)).saturating_mul(self.choices)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
