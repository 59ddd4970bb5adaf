//! Polling for a condition of a real server.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Polls until there is a result, and returns it.
///
/// # Panics
///
/// When it takes longer than [`TIMEOUT`]; the message says that `what` was waited for, and what `log` tells.
// Real servers live in real time, and this is the place that waits for them.
#[allow(clippy::disallowed_methods)]
pub(crate) fn until<T>(what: &str, log: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}\n{}", log());
        sleep(Duration::from_millis(5));
    }
}

/// The timeout of every wait: far longer than needed, because the machine may be busy.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
