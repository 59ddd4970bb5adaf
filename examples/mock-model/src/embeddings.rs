//! OpenAI's embeddings: numbers without a meaning, and as many tokens as the inputs have.

use serde_json::{Value, json};

use crate::prompt;

/// The response to a request for embeddings, except its usage.
///
/// # Errors
///
/// If the body is not such a request.
pub(crate) fn respond(body: &Value) -> Result<Value, String> {
    let inputs = prompt::batch(body, "input")?;
    let dimensions = match &body["dimensions"] {
        Value::Null => 8,
        number => match number.as_u64() {
            Some(number @ 1..=4096) => number,
            _ => return Err("`dimensions` must be 1 to 4096".to_owned()),
        },
    };
    let embedding = match body["encoding_format"].as_str() {
        // Zeros are the same in base64, whichever end of a number comes first: four bytes each.
        Some("base64") => base64_zeros(dimensions * 4).into(),
        _ => Value::from(vec![0.0; usize::try_from(dimensions).unwrap_or_default()]),
    };
    let data: Vec<Value> = (0..inputs.len())
        .map(|index| json!({"object": "embedding", "index": index, "embedding": embedding}))
        .collect();
    let model = body["model"].as_str().unwrap_or("mock");
    Ok(json!({"object": "list", "model": model, "data": data}))
}

/// So many zero bytes in base64.
fn base64_zeros(bytes: u64) -> String {
    let groups = usize::try_from(bytes / 3).unwrap_or_default();
    let rest = ["", "AA==", "AAA="][usize::try_from(bytes % 3).unwrap_or_default()];
    "AAAA".repeat(groups) + rest
}
