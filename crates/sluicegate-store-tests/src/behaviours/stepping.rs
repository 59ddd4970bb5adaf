//! The store's clock may be set: its servers' clocks step, and a replica that takes over has another one.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Charge, Wait};

use super::{WINDOW, brief, each, hourly, leases, timed};
use crate::{Caller, Subject};

/// Waits that were told before the clock was set back stay true, and so do those that are told afterwards.
pub fn a_step_back_makes_nobody_wait_longer<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for (algorithm, by) in timed::<S>().into_iter().flat_map(|algorithm| STEPS.map(|by| (algorithm, by))) {
        let charge = Charge::new(format!("{algorithm} {by:?}"), brief(6, algorithm)).cost(2);
        // Two charges at different times, so that the account is not empty of time.
        caller.admit(from_ref(&charge));
        caller.advance(WINDOW / 12);
        caller.exhaust(&[charge.clone().cost(1)]);
        let ((denial, passed), moment) = caller.within(|| {
            let denial = caller.deny(from_ref(&charge));
            caller.advance(WINDOW / 20);
            caller.set_back(by);
            (denial, WINDOW / 20)
        });
        let again = caller.deny(from_ref(&charge));
        let (Wait::For(told), Wait::For(left)) = (denial.wait, again.wait) else {
            panic!("no time to wait: {denial:?}, {again:?}")
        };
        assert!(left + passed <= told, "{told:?}, and {passed:?} later {left:?} for {charge:?}");
        let most = moment.latest.since(moment.earliest);
        assert!(left + most + caller.step() >= told, "{told:?}, and {most:?} later {left:?} for {charge:?}");
        caller.wait_out(from_ref(&charge));
    }
}

/// The same for several limits, whose wait is the longest, and where the clock is set back time and again.
pub fn steps_back_make_nobody_wait_longer_for_several_limits<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charges: Vec<_> =
        timed::<S>().into_iter().map(|algorithm| Charge::new("alice", brief(4, algorithm))).collect();
    for by in STEPS {
        caller.exhaust(&charges);
        caller.set_back(by);
        caller.wait_out(&charges);
    }
}

/// A step back gives nothing either: what was spent stays spent, in every account and for a peek.
pub fn a_step_back_gives_nothing<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        caller.admit(&[charge.clone().cost(7)]);
        for by in STEPS {
            caller.set_back(by);
            assert_eq!(caller.remaining(&charge), 3, "{charge:?} after {by:?}");
        }
        assert_eq!(caller.exhaust(from_ref(&charge)), 3, "{charge:?}");
    }
}

/// A step forward gives what the time would have given, once, however often the clock goes back and forth.
pub fn steps_back_and_forth_give_no_more_than_the_farthest<S: Subject>(fresh: impl Fn() -> S) {
    for charge in each("alice", 10, &timed::<S>()) {
        let subject = fresh();
        let caller = Caller::of(&subject);
        let windows = charge.quota.window() * 2;
        assert_eq!(caller.exhaust(from_ref(&charge)), 10, "{charge:?}");
        let before = caller.now();
        caller.set_forward(windows);
        // Two windows are enough for every algorithm to forget. A clock that cannot be set gives nothing.
        let given = if caller.now().since(before) < windows { 0 } else { 10 };
        assert_eq!(caller.exhaust(from_ref(&charge)), given, "{charge:?}");
        for _ in 0..3 {
            caller.set_back(windows);
            assert_eq!(caller.exhaust(from_ref(&charge)), 0, "{charge:?} after a step back");
            caller.set_forward(windows);
            assert_eq!(caller.exhaust(from_ref(&charge)), 0, "{charge:?} after a step forth");
        }
    }
}

/// A refund finds the window that was charged, though the clock shows an earlier time than it was charged at.
pub fn a_refund_after_a_step_back_finds_its_charge<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let charges = [charge.clone().cost(8)];
        let taken = caller.admit(&charges);
        caller.set_back(Duration::from_secs(30));
        caller.settle(&charges, taken.lease, &[3]);
        assert_eq!(caller.remaining(&charge), 7, "{charge:?}");
    }
}

/// A debt is owed and paid off as if the clock had not been set back.
pub fn a_debt_outlasts_a_step_back<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for algorithm in timed::<S>() {
        let charge = Charge::new("alice", brief(10, algorithm));
        let taken = caller.admit(from_ref(&charge));
        caller.settle(from_ref(&charge), taken.lease, &[13]);
        caller.set_back(Duration::from_secs(30));
        caller.wait_out(&[charge.clone().cost(2)]);
    }
}

/// An account that is reset after a step back is as one that was never used, and charged as one.
pub fn a_reset_after_a_step_back_leaves_a_new_account<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 4, &timed::<S>()) {
        caller.exhaust(from_ref(&charge));
        caller.set_back(Duration::from_secs(3_600));
        caller.reset(from_ref(&charge));
        let new = Charge::new("nobody", hourly(4, charge.quota.algorithm()));
        assert_eq!(caller.peek(&charge), caller.peek(&new), "{charge:?}");
        assert_eq!(caller.exhaust(from_ref(&charge)), 4, "{charge:?}");
    }
}

/// Steps neither take slots nor give any back.
pub fn steps_leave_slots_to_their_holders<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charge = Charge::new("gpu", sluicegate::Quota::concurrent(2));
    let first = caller.admit(from_ref(&charge));
    for by in STEPS {
        caller.set_back(by);
        let second = caller.admit(from_ref(&charge));
        caller.deny(from_ref(&charge));
        caller.release(from_ref(&charge), second.lease);
    }
    caller.release(from_ref(&charge), first.lease);
    assert_eq!(caller.exhaust(from_ref(&charge)), 2);
}

/// Less than a window, more than a wait, and an hour.
const STEPS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(30), Duration::from_secs(3_600)];
