//! Waits and reset times are true.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Balance, Charge, Quota, Wait};

use super::{WINDOW, brief, leases, timed};
use crate::{Caller, Subject};

/// A caller that waits as long as told is admitted; one step of the clock less, and it is not.
pub fn a_wait_is_exact<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        for cost in [1, 2, 6] {
            let charge = Charge::new(format!("{algorithm} {cost}"), brief(6, algorithm));
            // Two charges at different times, so that the account is not empty of time.
            caller.admit(&[charge.clone().cost(4)]);
            caller.advance(WINDOW / 12);
            caller.exhaust(from_ref(&charge));
            caller.wait_out(&[charge.clone().cost(cost)]);
        }
    }
}

/// The same for several limits: the longest wait is the request's.
pub fn a_wait_for_several_limits_is_exact<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charges: Vec<_> =
        timed::<S>().into_iter().map(|algorithm| Charge::new("alice", brief(4, algorithm))).collect();
    caller.exhaust(&charges);
    caller.wait_out(&charges);
}

/// The same where two charges of the request are on one account.
pub fn a_wait_for_two_charges_on_one_account_is_exact<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(10, algorithm)).cost(5);
        caller.admit(from_ref(&charge));
        caller.advance(WINDOW / 10);
        caller.wait_out(&[charge.clone().cost(4), charge.clone()]);
    }
}

/// The same after a debt.
pub fn a_wait_for_a_debt_is_exact<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(10, algorithm));
        let taken = caller.admit(from_ref(&charge));
        caller.settle(from_ref(&charge), taken.lease, &[13]);
        caller.wait_out(&[charge.clone().cost(2)]);
    }
}

/// The remaining amount of a balance can be spent, and no more.
pub fn what_remains_can_be_spent<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in S::ALGORITHMS.iter().copied() {
        let charge = Charge::new("alice", super::hourly(8, algorithm)).cost(3);
        let left = caller.admit(from_ref(&charge)).balances[0].remaining;
        caller.deny(&[charge.clone().cost(left + 1)]);
        caller.admit(&[charge.clone().cost(left)]);
        assert_eq!(caller.remaining(&charge), 0, "{charge:?}");
    }
}

/// One more unit can be spent exactly after `next_after`, which is nothing while one remains.
pub fn one_more_unit_comes_when_it_is_said_to<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(2, algorithm));
        assert_eq!(caller.admit(from_ref(&charge)).balances[0].next_after, Duration::ZERO, "{charge:?}");
        let (spent, moment) = caller.within(|| caller.admit(from_ref(&charge)));
        let next = spent.balances[0].next_after;
        let denial = caller.deny(from_ref(&charge));
        let Wait::For(wait) = denial.wait else { panic!("no time to wait: {denial:?}") };
        let passed = subject.now().since(moment.earliest);
        assert!(wait <= next && next <= wait + passed, "{next:?}, yet {wait:?} for {charge:?}");
    }
}

/// After `reset_after` the account is as one that was never charged; a step of the clock less, and it is not.
pub fn an_account_is_full_when_it_is_said_to_be_and_then_as_new<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(3, algorithm));
        let new = Charge::new("nobody", charge.quota);
        caller.admit(from_ref(&charge));
        let (taken, moment) = caller.within(|| caller.admit(from_ref(&charge)));
        let reset = taken.balances[0].reset_after;
        let passed = subject.now().since(moment.earliest);
        caller.advance(reset.saturating_sub(caller.step() + passed));
        let (early, again) = caller.within(|| caller.peek(&charge));
        if again.latest.since(moment.earliest) < reset {
            assert_ne!(early.reset_after, Duration::ZERO, "{charge:?}");
        }
        caller.advance((moment.latest + reset).since(subject.now()));
        assert_eq!(caller.peek(&charge), full(&charge.quota), "{charge:?}");
        assert_eq!(caller.peek(&charge), caller.peek(&new), "{charge:?}");
        assert_eq!(caller.exhaust(from_ref(&charge)), 3, "{charge:?}");
    }
}

/// Idling longer than that earns nothing.
pub fn an_idle_account_saves_nothing_up<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(3, algorithm));
        caller.admit(from_ref(&charge));
        caller.advance(WINDOW * 2);
        // Four at the very most, should a real clock let one come back meanwhile.
        let at_once = caller.exhaust(from_ref(&charge));
        assert!((3..=4).contains(&at_once), "{at_once} at once of {charge:?}");
    }
}

/// A wait for a slot has no length.
pub fn a_wait_for_a_slot_has_no_length<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charge = Charge::new("gpu", Quota::concurrent(1));
    caller.admit(from_ref(&charge));
    let denial = caller.deny(from_ref(&charge));
    assert_eq!((denial.wait, denial.retry_after()), (Wait::Release, None));
}

fn full(quota: &Quota) -> Balance {
    Balance {
        remaining: quota.burst_size(),
        reset_after: Duration::ZERO,
        next_after: Duration::ZERO,
        wait: Wait::None,
    }
}
