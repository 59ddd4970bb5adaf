//! Dialects: the forms of requests, responses and streams of model servers.

mod messages;
mod ollama;
mod openai;
mod responses;

use serde_json::Value;

use crate::answer::Answer;
use crate::question::Question;
pub(crate) use messages::Messages;
pub(crate) use ollama::Ollama;
pub(crate) use openai::OpenAi;
pub(crate) use responses::Responses;

/// The forms of an endpoint's requests and responses.
pub(crate) trait Dialect: Send + Sync {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// If the body is not a request in this dialect.
    fn read(&self, body: &Value) -> Result<Question, String>;

    /// The body of a plain response.
    fn whole(&self, answer: &Answer) -> Value;

    /// The events of one step of a stream, each with its framing.
    fn events(&self, answer: &Answer, step: Step<'_>) -> Vec<String>;

    /// The body of an error.
    fn error(&self, status: u16, message: &str) -> Value;
}

/// A step of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// Before any token.
    Open,
    /// A chunk of tokens of one completion. `produced` counts the tokens of all until then, this chunk included.
    Delta { choice: u64, chunk: u64, produced: u64 },
    /// After all tokens.
    Close,
    /// An error instead of the rest.
    Error(&'a str),
}

/// A server-sent event without a name.
fn sse(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A server-sent event of the name that its data has as `type`.
fn named_sse(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("message"))
}
