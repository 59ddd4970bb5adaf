//! Estimates become actual costs.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge};

use super::{WINDOW, brief, each, hourly, timed};
use crate::{Caller, Subject};

/// The unused part can be spent again.
pub fn settling_below_the_estimate_refunds_the_difference<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let charges = [charge.clone().cost(8)];
        let taken = caller.admit(&charges);
        caller.settle(&charges, taken.lease, &[3]);
        assert_eq!(caller.remaining(&charge), 7, "{charge:?}");
        assert_eq!(caller.exhaust(from_ref(&charge)), 7, "{charge:?}");
    }
}

/// A refund in full leaves an account as if it had never been charged.
pub fn settling_for_nothing_leaves_a_new_account<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let charges = [charge.clone().cost(10)];
        let taken = caller.admit(&charges);
        caller.settle(&charges, taken.lease, &[0]);
        assert_eq!(caller.peek(&charge), caller.peek(&Charge::new("nobody", charge.quota)), "{charge:?}");
    }
}

/// Usage beyond the estimate is charged without any limit.
pub fn settling_above_the_estimate_charges_the_difference<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let charges = [charge.clone().cost(2)];
        let taken = caller.admit(&charges);
        caller.settle(&charges, taken.lease, &[7]);
        assert_eq!(caller.remaining(&charge), 3, "{charge:?}");
        let taken = caller.admit(&charges);
        caller.settle(&charges, taken.lease, &[30]);
        assert_eq!(caller.remaining(&charge), 0, "{charge:?}");
        caller.deny(from_ref(&charge));
    }
}

/// An estimate that was right stays; so do the charges beyond the end of the settlement.
pub fn settling_for_the_estimate_or_not_at_all_keeps_it<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charges: Vec<_> = each("alice", 10, &timed::<S>()).into_iter().map(|charge| charge.cost(4)).collect();
    let taken = caller.admit(&charges);
    caller.settle(&charges, taken.lease, &[4, 1]);
    let left: Vec<_> = charges.iter().map(|charge| caller.remaining(charge)).collect();
    assert_eq!(left, [6, 9, 6, 6]);
}

/// A charge that only peeked can be settled for what it turned out to cost.
pub fn a_peek_can_be_settled_for_what_it_cost<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let charges = [charge.clone().cost(0)];
        let taken = caller.admit(&charges);
        caller.settle(&charges, taken.lease, &[6]);
        assert_eq!(caller.remaining(&charge), 4, "{charge:?}");
    }
}

/// Spending whose permit nobody has any more can be given back, debts included, up to a full account. A log
/// gives nothing back: its charges have times, and nobody knows which one is meant.
pub fn a_peek_gives_back_what_others_have_spent_and_no_more<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let costing = |cost| [charge.clone().cost(cost)];
        let give_back = |cost| {
            let peek = caller.admit(&costing(0));
            caller.settle(&costing(cost), peek.lease, &[0]);
        };
        let spent = caller.admit(&costing(8));
        caller.settle(&costing(8), spent.lease, &[13]);
        // Later than the charge.
        caller.advance(Duration::from_millis(1));
        let is_log = charge.quota.algorithm() == Algorithm::SlidingLog;
        for (cost, left) in [(2, 0), (5, 4), (1, 5), (100, 10)] {
            give_back(cost);
            assert_eq!(caller.remaining(&charge), if is_log { 0 } else { left }, "{cost}, {charge:?}");
        }
        assert_eq!(caller.exhaust(from_ref(&charge)), if is_log { 0 } else { 10 }, "{charge:?}");
    }
}

/// A debt that is larger than a window's amount is paid off by the windows that follow; only a log, which knows
/// of nothing older than its window, forgives it then.
pub fn a_debt_is_paid_off_and_not_forgiven<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let charge = Charge::new("alice", brief(10, algorithm));
        let taken = caller.admit(from_ref(&charge));
        let (_, settled) = caller.within(|| caller.settle(from_ref(&charge), taken.lease, &[25]));
        // 25 units are two windows and a half.
        caller.advance(WINDOW);
        let (early, moment) = caller.within(|| caller.take(from_ref(&charge)));
        let passed = moment.latest.since(settled.earliest);
        assert!(passed > WINDOW * 3 / 2 || !early.is_allowed(), "forgiven after {passed:?}: {charge:?}");
        caller.advance(WINDOW * 2);
        caller.admit(from_ref(&charge));
    }
}

/// A refund fills an account at most.
pub fn a_refund_never_fills_beyond_full<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charges = [Charge::new("alice", brief(6, algorithm)).cost(6)];
        let taken = caller.admit(&charges);
        caller.advance(WINDOW * 2);
        caller.admit(&[charges[0].clone().cost(1)]);
        caller.settle(&charges, taken.lease, &[0]);
        assert!(caller.remaining(&charges[0]) <= 6, "{algorithm}");
        let at_once = caller.exhaust(&[charges[0].clone().cost(1)]);
        assert!(at_once <= 7, "{at_once} at once, {algorithm}");
    }
}

/// A charge of an earlier window is not given back to a later one.
pub fn a_refund_goes_to_the_window_that_was_charged<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog] {
        let charges = [Charge::new("alice", brief(6, algorithm)).cost(5)];
        let taken = caller.admit(&charges);
        caller.advance(WINDOW * 5 / 2);
        let later = caller.admit(&charges);
        assert_eq!(later.balances[0].remaining, 1, "{algorithm}");
        caller.settle(&charges, taken.lease, &[0]);
        assert_eq!(caller.remaining(&charges[0]), 1, "{algorithm}");
        caller.settle(&charges, later.lease, &[2]);
        assert_eq!(caller.remaining(&charges[0]), 4, "{algorithm}");
    }
}
/// A refund that comes too late for its own charge does not pay for the debt of another on the same account.
pub fn two_charges_on_one_account_are_settled_one_by_one<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(10, algorithm)).cost(4);
        let charges = [charge.clone(), charge.clone()];
        let taken = caller.admit(&charges);
        caller.advance(WINDOW * 2);
        // A unit of a bucket lasts a tenth of this, so that one may come back meanwhile where the clock runs.
        caller.settle(&charges, taken.lease, &[0, 9]);
        let left = caller.remaining(&charge);
        assert!((5..=6).contains(&left), "{left} of 10 after a debt of 5: {charge:?}");
    }
}

/// The estimate went with the account, so there is nothing to give back; a debt makes a new account.
pub fn a_forgotten_account_owes_no_refund_and_takes_a_debt<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let quota = brief(5, algorithm);
        let charges =
            [Charge::new("refund", quota).cost(5), Charge::new("debt", hourly(5, algorithm)).cost(0)];
        let taken = caller.admit(&charges);
        caller.advance(WINDOW * 3);
        caller.settle(&charges, taken.lease, &[0, 5]);
        assert_eq!(caller.remaining(&charges[0]), 5, "{algorithm}");
        assert_eq!(caller.remaining(&charges[1]), 0, "{algorithm}");
    }
}
