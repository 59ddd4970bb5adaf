//! Waiting for what happens in its own time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Asks until there is an answer, and returns it.
///
/// # Panics
///
/// When it takes longer than [`PATIENCE`]; the message says that `what` was waited for, and what `log` tells.
// Real servers live in real time, and this is where they are waited for.
#[allow(clippy::disallowed_methods)]
pub(crate) fn until<T>(what: &str, log: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", log());
        sleep(Duration::from_millis(5));
    }
}

/// The bound of every wait: far longer than needed, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
