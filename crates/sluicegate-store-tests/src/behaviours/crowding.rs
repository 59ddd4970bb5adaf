//! Many callers at once.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use sluicegate::{Algorithm, Charge, Quota};

use super::{hourly, leases};
use crate::{Caller, Subject};

/// Many callers on one account get exactly what it holds, whatever keeps it.
pub fn a_crowd_gets_exactly_the_amount<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let bill = |round: usize, _: usize| {
        let algorithm = S::ALGORITHMS[round % S::ALGORITHMS.len()];
        vec![Charge::new(format!("crowd {round}"), hourly(5, algorithm))]
    };
    assert_eq!(crowd(&subject, bill), 5 * ROUNDS);
}

/// Many callers on several accounts, in every order: each request is charged on all of them or on none, and
/// exactly as many pass as there is room for.
pub fn a_crowd_is_charged_all_or_nothing<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let narrow = |round: usize| Charge::new(format!("narrow {round}"), hourly(5, Algorithm::FixedWindow));
    let wide = |round: usize| {
        let charge = |algorithm| Charge::new(format!("wide {round} {algorithm}"), hourly(7, algorithm));
        S::ALGORITHMS.iter().copied().map(charge).collect::<Vec<_>>()
    };
    let bill = |round: usize, worker: usize| {
        let mut charges = wide(round);
        charges.insert(worker % (charges.len() + 1), narrow(round));
        if worker.is_multiple_of(2) {
            charges.reverse();
        }
        charges
    };
    let mut admitted = crowd(&subject, bill);
    let caller = Caller::of(&subject);
    if S::APART {
        // What was given back only when everybody had been denied is there for whoever comes later.
        admitted += (0..ROUNDS).map(|round| caller.exhaust(&bill(round, 0))).sum::<usize>();
    }
    assert_eq!(admitted, 5 * ROUNDS);
    for round in 0..ROUNDS {
        assert_eq!(caller.exhaust(&[narrow(round)]), 0, "in round {round}");
        for charge in wide(round) {
            assert_eq!(caller.exhaust(std::slice::from_ref(&charge)), 2, "{charge:?}");
        }
    }
}

/// Many callers that come and go never hold more slots than there are, and leave none behind.
pub fn a_crowd_never_holds_more_slots_than_there_are<S: Subject>(fresh: impl Fn() -> S) {
    if !leases::<S>() {
        return;
    }
    let subject = fresh();
    let (one, other) = (Charge::new("one", Quota::concurrent(3)), Charge::new("other", Quota::concurrent(3)));
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..CALLERS {
            let (subject, inside) = (&subject, &inside);
            let mut charges = [one.clone(), other.clone()];
            charges.rotate_left(worker % 2);
            scope.spawn(move || {
                let caller = Caller::of(subject);
                for _ in 0..40 {
                    let Some(taken) = caller.take(&charges).allowed() else { continue };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3, "a fourth was let in");
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    caller.release(&charges, taken.lease);
                }
            });
        }
    });
    let caller = Caller::of(&subject);
    assert_eq!([caller.remaining(&one), caller.remaining(&other)], [3, 3]);
}

/// Many callers while their account is reset: each reset lets the amount pass once more, and no caller takes from an
/// account as it was before.
pub fn a_crowd_gets_the_amount_once_more_for_each_reset<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    for algorithm in S::ALGORITHMS {
        let charge = [Charge::new(format!("crowd {algorithm}"), hourly(5, *algorithm))];
        let admitted = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let passed = (0..40).filter(|_| Caller::of(&subject).take(&charge).is_allowed()).count();
                    admitted.fetch_add(passed, Ordering::Relaxed);
                });
            }
            scope.spawn(|| (0..RESETS).for_each(|_| Caller::of(&subject).reset(&charge)));
        });
        let caller = Caller::of(&subject);
        let admitted = admitted.into_inner() + caller.exhaust(&charge);
        assert!(admitted <= 5 * (RESETS + 1), "{admitted} by {algorithm}");
        caller.reset(&charge);
        assert_eq!(caller.exhaust(&charge), 5, "{algorithm}");
    }
}

/// Has every caller ask twice in every round, all beginning it together; how many were admitted.
fn crowd<S: Subject>(subject: &S, bill: impl Fn(usize, usize) -> Vec<Charge> + Sync) -> usize {
    let (admitted, begin) = (AtomicUsize::new(0), Barrier::new(CALLERS));
    thread::scope(|scope| {
        for worker in 0..CALLERS {
            let (admitted, begin, bill) = (&admitted, &begin, &bill);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let charges = bill(round, worker);
                    begin.wait();
                    let passed = (0..2).filter(|_| Caller::of(subject).take(&charges).is_allowed()).count();
                    admitted.fetch_add(passed, Ordering::Relaxed);
                }
            });
        }
    });
    admitted.into_inner()
}

const CALLERS: usize = 8;
const ROUNDS: usize = 200;
const RESETS: usize = 20;
