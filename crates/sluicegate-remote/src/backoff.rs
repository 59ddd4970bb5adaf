//! Pauses between attempts to reach a server.

use std::time::Duration;

/// Pauses that double with each failure, each shortened at random so that many instances do not come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The pause between two attempts while a caller waits: it does not grow, because the server may be there by now.
    pub const WHILE_AWAITED: Duration = Duration::from_millis(20);

    /// Returns a backoff before its first failure.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Counts a failure, and returns the pause until the next attempt.
    #[must_use]
    pub fn fail(&mut self) -> Duration {
        let pause = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        jittered(pause)
    }

    /// Forgets all failures, after the server was of use.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns `true` if there was a failure since the server was of use.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

/// Returns a random pause between half of this one and all of it.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    // Without random numbers there is no jitter, and nothing worse.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
