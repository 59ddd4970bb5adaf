//! Another quota on the same account.

use std::slice::from_ref;

use sluicegate::{Algorithm, Charge, Wait};

use super::{WINDOW, brief, each, timed};
use crate::{Caller, Subject};

/// A spent amount stays spent when the quota grows or shrinks: counts as counted, a bucket in proportion.
pub fn a_changed_quota_finds_what_was_spent<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, S::ALGORITHMS) {
        caller.admit(&[charge.clone().cost(5)]);
        let scaled = |millionths| Charge { quota: charge.quota.scaled(millionths), ..charge.clone() };
        let left = [2_000_000, 1_000_000, 600_000].map(|millionths| caller.remaining(&scaled(millionths)));
        let expected = match charge.quota.algorithm() {
            Algorithm::TokenBucket => [10, 5, 3],
            _ => [15, 5, 1],
        };
        assert_eq!(left, expected, "{charge:?}");
    }
}

/// A quota that comes back from a smaller scale gives no more than it would have given all along.
pub fn growing_back_gives_nothing_that_was_withheld<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, S::ALGORITHMS) {
        let small = Charge { quota: charge.quota.scaled(200_000), ..charge.clone() };
        assert_eq!(caller.exhaust(from_ref(&small)), 2, "{charge:?}");
        let more = caller.exhaust(from_ref(&charge));
        assert!(more <= 8, "{more} more than 2 of {charge:?}");
    }
}

/// A caller that is over a smaller quota waits, and the wait is exact.
pub fn a_wait_under_a_smaller_quota_is_exact<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(10, algorithm));
        assert_eq!(caller.exhaust(from_ref(&charge)), 10, "{charge:?}");
        let small = Charge { quota: charge.quota.scaled(200_000), ..charge.clone() };
        let denial = caller.deny(from_ref(&small));
        assert!(denial.wait <= Wait::For(WINDOW * 2), "{denial:?} of {small:?}");
        caller.wait_out(&[small]);
    }
}
