//! Waits in whole seconds, as clients are told them.

use std::time::Duration;

use sluicegate::Wait;

/// The seconds of a duration, rounded up: a client that comes back a moment early is denied again.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(sluicegate_policy::whole_seconds(Duration::from_millis(900)), 1);
/// assert_eq!(sluicegate_policy::whole_seconds(Duration::from_secs(2)), 2);
/// ```
#[must_use]
pub fn whole_seconds(duration: Duration) -> u64 {
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
