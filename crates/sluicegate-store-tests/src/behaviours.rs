//! Behaviours of every store: each function tests one, and panics if a store lacks it.

mod agreeing;
mod changing;
mod crowding;
mod leasing;
mod recording;
mod resetting;
mod settling;
mod stepping;
mod taking;
mod waiting;

use std::time::Duration;

use sluicegate::{Algorithm, Charge, Quota};

pub use agreeing::*;
pub use changing::*;
pub use crowding::*;
pub use leasing::*;
pub use recording::*;
pub use resetting::*;
pub use settling::*;
pub use stepping::*;
pub use taking::*;
pub use waiting::*;

use crate::Subject;

/// A quota that gives nothing back while a test runs.
fn hourly(amount: u64, algorithm: Algorithm) -> Quota {
    every(Duration::from_secs(3_600), amount, algorithm)
}

/// A quota whose window a test can wait for.
fn brief(amount: u64, algorithm: Algorithm) -> Quota {
    every(WINDOW, amount, algorithm)
}

fn every(window: Duration, amount: u64, algorithm: Algorithm) -> Quota {
    match algorithm {
        Algorithm::Concurrent => Quota::concurrent(amount),
        _ => Quota::new(amount, window)
            .and_then(|quota| quota.with_algorithm(algorithm))
            .expect("a window of good length, and an amount that a log holds"),
    }
}

/// One charge on each of so many algorithms' accounts of one key.
fn each(key: &str, amount: u64, algorithms: &[Algorithm]) -> Vec<Charge> {
    algorithms.iter().map(|algorithm| Charge::new(key, hourly(amount, *algorithm))).collect()
}

/// Those of the store's algorithms whose accounts come back with time.
fn timed<S: Subject>() -> Vec<Algorithm> {
    S::ALGORITHMS.iter().copied().filter(|algorithm| *algorithm != Algorithm::Concurrent).collect()
}

/// Returns `true` if the store keeps slots of concurrent limits.
fn leases<S: Subject>() -> bool {
    S::ALGORITHMS.contains(&Algorithm::Concurrent)
}

const WINDOW: Duration = Duration::from_millis(500);
