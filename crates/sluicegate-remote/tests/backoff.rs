//! Pauses between attempts to reach a server.

use std::{collections::HashSet, time::Duration};

use sluicegate_remote::{Backoff, jittered};

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(500);

#[test]
fn pauses_double_up_to_the_longest() {
    let mut backoff = Backoff::new(FIRST, LONGEST);
    for expected in [20, 40, 80, 160, 320, 500, 500].map(Duration::from_millis) {
        let pause = backoff.fail();
        assert!(
            (expected / 2..=expected).contains(&pause),
            "{pause:?} is not half of {expected:?} to all of it"
        );
    }
}

#[test]
fn after_thousands_of_failures_a_pause_is_still_the_longest() {
    let mut backoff = Backoff::new(FIRST, LONGEST);
    let last = (0..10_000).map(|_| backoff.fail()).last().expect("a pause");
    assert!((LONGEST / 2..=LONGEST).contains(&last), "{last:?}");
}

#[test]
fn a_server_that_was_of_use_begins_anew() {
    let mut backoff = Backoff::new(FIRST, LONGEST);
    assert!(!backoff.has_failed());
    for _ in 0..5 {
        let _ = backoff.fail();
    }
    assert!(backoff.has_failed());
    backoff.reset();
    assert!(!backoff.has_failed());
    assert!(backoff.fail() <= FIRST);
}

#[test]
fn instances_come_back_at_different_moments() {
    let first = |()| Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).fail();
    let single = |()| jittered(Duration::from_secs(1));
    for pause in [first, single] {
        let pauses: HashSet<_> = std::iter::repeat_n((), 100).map(pause).collect();
        assert!(pauses.len() > 90, "{} of a hundred", pauses.len());
    }
}
