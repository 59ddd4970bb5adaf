//! Meters of JSON.

use serde_json::Value;
use sluicegate_policy::{JsonPointer, Meter};

/// A meter reads from a document what is there when the document is built as a whole. The input is a pointer, a line feed and
/// a body.
pub fn json_meter(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(pointer) = String::from_utf8_lossy(&input[..end]).parse::<JsonPointer>() else { return };
    let body = &input[end + 1..];
    let meter = Meter::items(pointer.clone()).and_value(pointer.clone());
    let read = meter.read(body);
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return };
    let there = document.pointer(pointer.as_str());
    let (count, text) = (there.and_then(count), there.and_then(text));
    if let Ok(body) = read {
        assert_eq!(body.items(), count, "the items of a body that is read");
        assert_eq!(body.value(&pointer), text.as_deref());
    }
    // Written anew, no member is there twice: then it is read wherever there is something to be counted.
    let anew = meter.read(document.to_string().as_bytes());
    assert_eq!(anew.map(|body| body.items()).ok().flatten(), count, "the items of a good document");
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Array(elements) => u64::try_from(elements.len()).ok(),
        Value::Number(number) => number.as_u64().filter(|number| *number <= Meter::MAX_ITEMS),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => {
            let whole = number.as_u64().map(|number| number.to_string());
            let negative = || number.as_i64().map(|number| number.to_string());
            whole.or_else(negative).or_else(|| number.as_f64().map(|number| number.to_string()))
        }
        _ => None,
    }
}
