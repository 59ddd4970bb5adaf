//! Accounts are forgotten on request.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge, Quota};

use super::{each, hourly, leases, timed};
use crate::{Caller, Subject};

/// A reset forgets spent amounts and debts.
pub fn a_reset_account_is_as_never_used<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, S::ALGORITHMS) {
        let taken = caller.admit(from_ref(&charge));
        if charge.quota.algorithm() != Algorithm::Concurrent {
            caller.settle(from_ref(&charge), taken.lease, &[25]);
        }
        caller.reset(&[charge.clone().cost(9_000)]);
        assert_eq!(caller.peek(&charge), caller.peek(&Charge::new("nobody", charge.quota)), "{charge:?}");
        assert_eq!(caller.exhaust(from_ref(&charge)), 10, "{charge:?}");
    }
}

/// An account is a key and an algorithm; another quota finds it too, and nothing else is touched.
pub fn a_reset_forgets_only_its_account<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let all: Vec<_> = ["alice", "bob"].into_iter().flat_map(|key| each(key, 10, S::ALGORITHMS)).collect();
    for (forgotten, charge) in all.iter().enumerate() {
        for charge in &all {
            caller.reset(from_ref(charge));
            caller.admit(&[charge.clone().cost(7)]);
        }
        caller.reset(&[Charge::new(charge.key.clone(), hourly(3, charge.quota.algorithm()))]);
        let left: Vec<_> = all.iter().map(|charge| caller.remaining(charge)).collect();
        let expected: Vec<_> = (0..all.len()).map(|index| if index == forgotten { 10 } else { 3 }).collect();
        assert_eq!(left, expected, "after {charge:?} was reset");
    }
}

/// A reset takes any number of accounts, including none, and repeated ones.
pub fn every_account_that_is_named_is_reset<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    caller.reset(&[]);
    let keys = (0..60).map(|key| format!("rpm|tenant {key}"));
    let mut accounts: Vec<_> = keys.flat_map(|key| each(&key, 2, S::ALGORITHMS)).collect();
    caller.reset(&accounts);
    for account in &accounts {
        caller.admit(&[account.clone().cost(2)]);
    }
    accounts.extend_from_within(..5);
    caller.reset(&accounts);
    caller.reset(&accounts);
    for account in &accounts {
        assert_eq!(caller.remaining(account), 2, "{account:?}");
    }
}

/// Nobody is denied any longer by what was denied before.
pub fn a_remembered_denial_is_forgotten_with_its_account<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charges = each("alice", 2, S::ALGORITHMS);
    for charge in &charges {
        caller.exhaust(from_ref(charge));
        caller.deny(from_ref(charge));
        caller.deny(&charges);
        caller.deny(&charges);
    }
    for charge in &charges {
        caller.reset(from_ref(charge));
        caller.admit(from_ref(charge));
    }
    caller.admit(&charges);
}

/// A later settlement gives nothing back to an account that has not been charged since, and takes nothing
/// from others' charges since, as far as that can be detected.
pub fn a_refund_after_a_reset_gives_nothing_back<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let bill = [charge.clone().cost(8)];
        let [one, other] = [(); 2].map(|()| {
            let taken = caller.admit(&bill);
            caller.advance(MOMENT);
            caller.reset(from_ref(&charge));
            taken
        });
        caller.settle(&bill, one.lease, &[0]);
        let new = caller.peek(&Charge::new("nobody", charge.quota));
        assert_eq!(caller.peek(&charge), new, "{charge:?}");
        caller.admit(&[charge.clone().cost(5)]);
        caller.settle(&bill, other.lease, &[0]);
        // A bucket keeps no time at which it was charged.
        let left = if charge.quota.algorithm() == Algorithm::TokenBucket { 10 } else { 5 };
        assert_eq!(caller.remaining(&charge), left, "{charge:?}");
        assert_eq!(caller.exhaust(from_ref(&charge)) as u64, left, "{charge:?}");
    }
}

/// Usage beyond a forgotten estimate is charged nevertheless.
pub fn a_debt_after_a_reset_is_charged<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let caller = Caller::of(&subject);
    for charge in each("alice", 10, &timed::<S>()) {
        let bill = [charge.clone().cost(2)];
        let taken = caller.admit(&bill);
        caller.reset(from_ref(&charge));
        caller.settle(&bill, taken.lease, &[6]);
        assert_eq!(caller.remaining(&charge), 6, "{charge:?}");
    }
}

/// Slots that were reset can be taken at once, and who held them before takes none from whoever holds them now.
pub fn slots_that_were_reset_are_free_and_leave_others_theirs<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let [gpu, alice] = ["gpu", "alice"].map(|key| Charge::new(key, Quota::concurrent(3)));
    let both = [gpu.clone().cost(2), alice.clone().cost(2)];
    let [one, other] = [(); 2].map(|()| {
        let taken = caller.admit(&both);
        caller.deny(&both);
        caller.reset(from_ref(&gpu));
        caller.reset(from_ref(&alice));
        taken
    });
    let third = caller.admit(&both);
    assert_eq!([caller.remaining(&gpu), caller.remaining(&alice)], [1, 1]);
    caller.release(&both, one.lease);
    caller.settle(&both, other.lease.clone(), &[0, 0]);
    caller.release(&both, other.lease);
    assert_eq!([caller.remaining(&gpu), caller.remaining(&alice)], [1, 1], "the third holds its slots");
    caller.reset(from_ref(&gpu));
    assert_eq!([caller.remaining(&gpu), caller.remaining(&alice)], [3, 1]);
    caller.release(&both, third.lease);
    assert_eq!(
        [caller.remaining(&gpu), caller.remaining(&alice)],
        [3, 3],
        "and gives back what it still held"
    );
    assert_eq!([caller.exhaust(from_ref(&gpu)), caller.exhaust(from_ref(&alice))], [3, 3]);
}

/// So that what is taken afterwards is taken at another time.
const MOMENT: Duration = Duration::from_millis(1);
