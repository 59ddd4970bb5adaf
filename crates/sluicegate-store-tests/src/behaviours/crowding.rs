//! Many callers at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sluicegate::{Algorithm, Charge, Quota};

use super::hourly;
use crate::{Caller, Subject};

/// Many callers on the same accounts, in every order: a request is charged on all of its accounts or on none, and
/// exactly as many pass as there is room for.
pub fn a_crowd_is_charged_all_or_nothing<S: Subject>(fresh: impl Fn() -> S) {
    let subject = fresh();
    let narrow = Charge::new("narrow", hourly(100, Algorithm::FixedWindow));
    let wide: Vec<_> = [Algorithm::TokenBucket, Algorithm::SlidingWindow, Algorithm::SlidingLog]
        .into_iter()
        .map(|algorithm| Charge::new("wide", hourly(120, algorithm)))
        .collect();
    let admitted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..CALLERS {
            let (subject, admitted) = (&subject, &admitted);
            let mut charges = wide.clone();
            charges.insert(worker % (wide.len() + 1), narrow.clone());
            if worker % 2 == 0 {
                charges.reverse();
            }
            scope.spawn(move || {
                let passed = (0..40).filter(|_| Caller::of(subject).take(&charges).is_allowed()).count();
                admitted.fetch_add(passed, Ordering::Relaxed);
            });
        }
    });
    let caller = Caller::of(&subject);
    assert_eq!(admitted.into_inner(), 100);
    assert_eq!(caller.remaining(&narrow), 0);
    for charge in &wide {
        assert_eq!(caller.remaining(charge), 20, "{charge:?}");
    }
}

/// Many callers that come and go never hold more slots than there are, and leave none behind.
pub fn a_crowd_never_holds_more_slots_than_there_are<S: Subject>(fresh: impl Fn() -> S) {
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

const CALLERS: usize = 8;
