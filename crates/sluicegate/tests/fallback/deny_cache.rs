//! A fallback over a cache of denials.

use std::time::Duration;

use sluicegate::{Charge, DenyCache, Fallback, ManualClock};

use crate::remote::{Network, Remote, now, peek, quota};

type Decorated = Fallback<DenyCache<Remote, ManualClock>, ManualClock>;

fn decorated() -> (Decorated, Remote, ManualClock) {
    let clock = ManualClock::new();
    let remote = Remote::new(&clock);
    let cache = DenyCache::builder(remote.clone()).clock(clock.clone()).build();
    (Fallback::builder(cache).clock(clock.clone()).build(), remote, clock)
}

fn is_allowed(store: &Decorated, charges: &[Charge]) -> bool {
    now(sluicegate::Store::take(store, charges)).expect("it goes on").is_allowed()
}

#[test]
fn an_attacked_key_does_not_hide_that_the_store_is_down() {
    let (store, remote, _clock) = decorated();
    let attacked = [Charge::new("attacked", quota("1/hour"))];
    assert!(is_allowed(&store, &attacked));
    assert!(!is_allowed(&store, &attacked));
    remote.is(Network::Down);
    for _ in 0..5 {
        assert!(store.is_up());
        (0..100).for_each(|_| assert!(!is_allowed(&store, &attacked)));
        assert!(is_allowed(&store, &peek()));
    }
    assert!(!store.is_up());
    assert_eq!(store.store().hits(), 500);
}

#[test]
fn an_attacked_key_does_not_keep_others_from_probing() {
    let (store, remote, clock) = decorated();
    let attacked = [Charge::new("attacked", quota("1/hour"))];
    assert!(is_allowed(&store, &attacked));
    assert!(!is_allowed(&store, &attacked));
    remote.is(Network::Down);
    (0..5).for_each(|_| assert!(is_allowed(&store, &peek())));
    assert!(!store.is_up());

    remote.is(Network::Up);
    clock.advance(Duration::from_secs(1));
    let calls = remote.calls();
    (0..100).for_each(|_| assert!(!is_allowed(&store, &attacked)));
    assert_eq!((store.is_up(), remote.calls()), (false, calls));
    assert!(is_allowed(&store, &peek()));
    assert!(store.is_up());
    assert!(!is_allowed(&store, &attacked));
    assert_eq!(remote.calls(), calls + 1, "the denial of before the outage still holds");
}
