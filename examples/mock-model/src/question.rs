//! A request for generation, read from any dialect.

use serde_json::Value;

/// A request for generation.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) model: String,
    /// Completions that are returned.
    pub(crate) choices: u64,
    /// Completions that are produced: with `best_of`, more than are returned.
    pub(crate) candidates: u64,
    /// Maximum tokens of each completion.
    pub(crate) max_tokens: Option<u64>,
    /// Tokens of the first of several prompts.
    pub(crate) first_prompt: Option<u64>,
    pub(crate) stream: bool,
    /// The last chunk of the stream is to report the usage.
    pub(crate) include_usage: bool,
}

impl Question {
    /// A request for one completion, as most dialects have it.
    pub(crate) fn one(body: &Value, max_tokens: Option<u64>, stream: bool) -> Self {
        Self {
            model: body["model"].as_str().unwrap_or("mock").to_owned(),
            choices: 1,
            candidates: 1,
            max_tokens,
            first_prompt: None,
            stream,
            include_usage: true,
        }
    }
}

/// The value of a flag such as `stream`.
pub(crate) fn flag(body: &Value, name: &str, default: bool) -> Result<bool, String> {
    match &body[name] {
        Value::Null => Ok(default),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(format!("`{name}` must be true or false")),
    }
}

/// The value of a limit such as `max_tokens`, as llama-server reads it: 0 is one token, and below 0 is no limit.
pub(crate) fn limit(body: &Value, name: &str) -> Result<Option<u64>, String> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => Ok(None),
        number => match number.as_u64() {
            Some(number) => Ok(Some(number.max(1))),
            None => Err(format!("`{name}` must be a whole number")),
        },
    }
}

/// The value of a count such as `n`, 1 to 128.
pub(crate) fn count(body: &Value, name: &str) -> Result<u64, String> {
    match &body[name] {
        Value::Null => Ok(1),
        number => match number.as_u64() {
            Some(number @ 1..=128) => Ok(number),
            _ => Err(format!("`{name}` must be 1 to 128")),
        },
    }
}

/// Checks that a conversation is there.
pub(crate) fn messages(body: &Value) -> Result<(), String> {
    match &body["messages"] {
        Value::Array(messages) if !messages.is_empty() => Ok(()),
        _ => Err("`messages` must be a list with at least one message".to_owned()),
    }
}
