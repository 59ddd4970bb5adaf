//! Predictions of a classifier: class 0 for every item.

use serde_json::{Value, json};

/// The response to a request for the class of one item, `input`, or of a batch, `inputs`.
///
/// # Errors
///
/// If the body has neither, or both.
pub(crate) fn respond(body: &Value) -> Result<Value, String> {
    match (&body["input"], &body["inputs"]) {
        (Value::Array(_), Value::Null) => Ok(json!({"prediction": 0})),
        (Value::Null, Value::Array(items)) => Ok(json!({"predictions": vec![0; items.len()]})),
        _ => {
            Err("the body must have `input`, an item's list of numbers, or `inputs`, a list of items"
                .to_owned())
        }
    }
}
