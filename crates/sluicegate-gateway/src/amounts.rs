//! Amounts and times of balances, as JSON has them.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::Unit;

/// Whole units, or dollars.
pub(crate) fn amount(units: u64, unit: Unit) -> Value {
    match unit {
        #[expect(
            clippy::cast_precision_loss,
            reason = "more dollars than a float counts to a cent are told roughly"
        )]
        Unit::Usd => json!(units as f64 / unit.scale() as f64),
        _ => json!(units),
    }
}

/// To the millisecond, rounded up.
pub(crate) fn seconds(duration: Duration) -> f64 {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)).as_secs_f64()
}
