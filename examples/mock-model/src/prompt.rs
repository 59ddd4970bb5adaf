//! The tokens of prompts: one for each four characters of a text, and one for each token id.

use serde_json::Value;

/// The tokens of a request's prompt, in any dialect; at least 1.
pub(crate) fn tokens(body: &Value) -> u64 {
    FIELDS.iter().map(|field| tokens_of(&body[*field])).sum::<u64>().max(1)
}

/// The prompts of a field that takes one or many: a text, a list of texts, token ids, or a list of lists of them.
///
/// # Errors
///
/// If the field is none of these, or empty.
pub(crate) fn batch<'a>(body: &'a Value, field: &str) -> Result<Vec<&'a Value>, String> {
    match &body[field] {
        one @ Value::String(_) => Ok(vec![one]),
        ids @ Value::Array(items) if items.first().is_some_and(Value::is_number) => Ok(vec![ids]),
        Value::Array(items) if items.len() > MOST => Err(format!("`{field}` has more than {MOST} items")),
        Value::Array(items)
            if !items.is_empty() && items.iter().all(|item| item.is_string() || item.is_array()) =>
        {
            Ok(items.iter().collect())
        }
        _ => Err(format!("`{field}` must be a text, texts, token ids, or lists of token ids")),
    }
}

/// The tokens of a text, of token ids, or of messages.
pub(crate) fn tokens_of(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.chars().count() as u64).div_ceil(CHARACTERS_PER_TOKEN),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(tokens_of).sum(),
        Value::Object(message) => {
            ["content", "text"].iter().filter_map(|field| message.get(*field)).map(tokens_of).sum()
        }
        Value::Null | Value::Bool(_) => 0,
    }
}

/// Maximum number of prompts of a request.
const MOST: usize = 2048;

const CHARACTERS_PER_TOKEN: u64 = 4;

/// The fields that a prompt can be in, over all dialects.
const FIELDS: [&str; 6] = ["system", "instructions", "messages", "prompt", "suffix", "input"];
