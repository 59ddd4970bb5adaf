//! Slots of concurrent limits.

use std::slice::from_ref;

use sluicegate::{Algorithm, Charge, Quota};

use super::{WINDOW, hourly, leases};
use crate::{Caller, Subject};

fn slots(key: &str, amount: u64) -> Charge {
    Charge::new(key, Quota::concurrent(amount))
}

/// A released lease's slots can be taken again; all else that it was charged stays charged.
pub fn a_release_gives_back_slots_and_nothing_else<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let requests = Charge::new("alice", hourly(9, Algorithm::TokenBucket));
    let charges = [requests.clone(), slots("gpu", 3).cost(2)];
    let taken = caller.admit(&charges);
    caller.deny(&charges);
    caller.release(&charges, taken.lease);
    assert_eq!(caller.remaining(&charges[1]), 3);
    assert_eq!(caller.remaining(&requests), 8);
}

/// A settlement gives back slots, whatever it says that they cost.
pub fn a_settlement_gives_back_slots<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    for actual in [&[][..], &[0], &[1], &[9]] {
        let charge = slots("gpu", 2);
        let taken = caller.admit(from_ref(&charge));
        caller.settle(from_ref(&charge), taken.lease, actual);
        assert_eq!(caller.remaining(&charge), 2, "settled for {actual:?}");
    }
}

/// A lease that is released or settled several times frees its slots once.
pub fn slots_come_back_once<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charge = slots("gpu", 3);
    let first = caller.admit(from_ref(&charge));
    let second = caller.admit(from_ref(&charge));
    caller.release(from_ref(&charge), first.lease.clone());
    caller.release(from_ref(&charge), first.lease.clone());
    caller.settle(from_ref(&charge), first.lease, &[1]);
    assert_eq!(caller.remaining(&charge), 2, "the second lease holds its slot");
    caller.release(from_ref(&charge), second.lease);
    assert_eq!(caller.remaining(&charge), 3);
}

/// Every lease holds its own slots, of each key that it took.
pub fn a_lease_gives_back_its_own_slots<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let both = [slots("gpu", 4).cost(2), slots("alice", 2), slots("gpu", 4)];
    let one = caller.admit(&both);
    let other = caller.admit(&both[2..]);
    caller.deny(&both[2..]);
    caller.release(&both[2..], other.lease);
    assert_eq!([caller.remaining(&both[0]), caller.remaining(&both[1])], [1, 1]);
    caller.release(&both, one.lease);
    assert_eq!([caller.remaining(&both[0]), caller.remaining(&both[1])], [4, 2]);
}

/// No more are ever held than there are, whoever comes and goes.
pub fn no_more_slots_are_held_than_there_are<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charge = slots("gpu", 3);
    let mut held = Vec::new();
    for step in 0..40_usize {
        let taken = caller.take(from_ref(&charge));
        assert_eq!(taken.is_allowed(), held.len() < 3, "at step {step}");
        held.extend(taken.allowed());
        if step % 3 == 0 {
            let leaving = held.swap_remove(step % held.len());
            caller.release(from_ref(&charge), leaving.lease);
        }
    }
}

/// A held slot does not come back with time while its holder may still be at work.
pub fn time_gives_no_slot_back<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let caller = Caller::of(&subject);
    let charge = slots("gpu", 1);
    let taken = caller.admit(from_ref(&charge));
    caller.advance(WINDOW);
    caller.deny(from_ref(&charge));
    caller.release(from_ref(&charge), taken.lease);
    caller.admit(from_ref(&charge));
}
