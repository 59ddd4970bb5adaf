//! By Redis' own clock, which runs: whole seconds, so that a machine that stalls for a moment changes nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluicegate::{Algorithm, Charge, Quota, Timestamp, Wait};

use super::subject::{Running, server};

const WINDOW: Duration = Duration::from_secs(3);
/// The epoch of the store's clock, 2020, in time since that of Unix.
const EPOCH: Duration = Duration::from_secs(1_577_836_800);

/// The time of this machine, which is the server's.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970") - EPOCH;
    Timestamp::EPOCH + Duration::from_micros(u64::try_from(since.as_micros()).expect("a time in this age"))
}

#[test]
fn redis_tells_the_time() {
    let server = server();
    let store = Running::at(&server.url());
    let before = now();
    let taken = store.admit(&[super::subject::hourly("alice", 1)]);
    assert!((before..=now()).contains(&taken.lease.taken_at));
}

#[test]
fn who_waits_as_long_as_told_is_admitted() {
    let server = server();
    let store = Running::at(&server.url());
    let timed =
        [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog];
    let charges: Vec<Charge> = timed
        .into_iter()
        .map(|algorithm| {
            let quota = Quota::new(1, WINDOW).and_then(|quota| quota.with_algorithm(algorithm));
            Charge::new("alice", quota.expect("a good window"))
        })
        .collect();
    for charge in &charges {
        store.admit(std::slice::from_ref(charge));
    }
    for charge in &charges {
        let denial = store.deny(std::slice::from_ref(charge));
        // A window that fades is gone a window later.
        let most = if charge.quota.algorithm() == Algorithm::SlidingWindow { WINDOW * 2 } else { WINDOW };
        assert!(denial.wait > Wait::For(Duration::ZERO) && denial.wait <= Wait::For(most), "{denial:?}");
    }
    let denial = store.deny(&charges);
    let wait = denial.retry_after().expect("a time to wait");
    store.runtime.block_on(async { tokio::time::sleep(wait).await });
    store.admit(&charges);
}
