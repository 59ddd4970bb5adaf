//! Waits in whole seconds, as clients are told them.

use std::time::Duration;

use sluicegate::Wait;

/// Rounded up: a client that comes back a moment early is denied again.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// The value of `Retry-After`: whole seconds, at least one. `None` if waiting never helps.
pub(crate) fn retry_after(wait: Wait) -> Option<u64> {
    match wait {
        Wait::None | Wait::Forever => None,
        Wait::Release => Some(1),
        Wait::For(duration) => Some(whole_seconds(duration).max(1)),
    }
}
