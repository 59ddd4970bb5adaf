//! Estimates of requests.

use serde_json::Value;
use sluicegate_policy::{Dialect, Estimate};

/// A request is read as it is when it is built as a whole and written anew: its members in another order, and each escape as the
/// character that it stands for. The first byte chooses the dialect.
pub fn estimate(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let dialect = Dialect::ALL[usize::from(*first) % Dialect::ALL.len()];
    let read = Estimate::read(dialect, body);
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return };
    let Ok(read) = read else { return };
    assert!(document.is_object(), "only objects are requests");
    assert!(read.prompts >= 1 && read.choices >= read.prompts, "{read:?}");
    assert!(read.output(500) >= read.max_output.unwrap_or_default() || read.is_without_output, "{read:?}");
    let anew = Estimate::read(dialect, document.to_string().as_bytes());
    let anew = anew.expect("a request that was read once");
    assert_eq!(
        (anew.max_output, anew.named_output, &anew.model, anew.streams, anew.asks_for_usage),
        (read.max_output, read.named_output, &read.model, read.streams, read.asks_for_usage),
    );
    // Of members that are there twice in a message, the document has one.
    assert!(anew.choices <= read.choices, "{anew:?} after {read:?}");
}
