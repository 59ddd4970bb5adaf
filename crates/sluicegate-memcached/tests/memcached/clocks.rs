//! Instances whose clocks differ.

use std::time::Duration;

use sluicegate::{Algorithm, Charge, ManualClock, Quota};
use sluicegate_memcached::MemcachedStore;
use sluicegate_test_servers::MemcachedServer;

use crate::stores::{KEPT, admit, ask, open, patient, remaining, settle};

/// Two instances, the second ten seconds ahead of the first.
fn apart(server: &MemcachedServer) -> [(MemcachedStore, ManualClock); 2] {
    [0, 10].map(|ahead| {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1_000 + ahead));
        (open(patient(&server.url()).clock(clock.clone())), clock)
    })
}

fn minutely(algorithm: Algorithm) -> Quota {
    let quota = Quota::new(60, Duration::from_secs(60)).and_then(|quota| quota.with_algorithm(algorithm));
    quota.expect("a good quota")
}

fn exhaust(store: &MemcachedStore, charge: &Charge) -> usize {
    (0..500).take_while(|_| ask(store, charge).expect("an answer").is_allowed()).count()
}

#[test]
fn no_more_is_admitted_than_the_difference_earns() {
    let server = MemcachedServer::start();
    let [(behind, _), (ahead, _)] = apart(&server);
    // A window of a minute has not ended ten seconds later, and a bucket has earned ten of its sixty.
    for (algorithm, earned) in KEPT.into_iter().zip([10, 0, 0, 0]) {
        let charge = Charge::new("alice", minutely(algorithm));
        assert_eq!(exhaust(&behind, &charge), 60, "{algorithm}");
        assert_eq!(exhaust(&ahead, &charge), earned, "{algorithm}");
        assert_eq!(exhaust(&behind, &charge), 0, "{algorithm}");
        let charge = Charge::new("bob", minutely(algorithm));
        assert_eq!(exhaust(&ahead, &charge), 60, "{algorithm}");
        assert_eq!(exhaust(&behind, &charge), 0, "{algorithm}");
    }
}

#[test]
fn a_refund_finds_its_charge_whoever_began_the_window() {
    let server = MemcachedServer::start();
    let stores = apart(&server);
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog] {
        for (first, second) in [(0, 1), (1, 0)] {
            let charge = Charge::new(format!("{first}"), minutely(algorithm)).cost(20);
            let (begins, follows) = (&stores[first].0, &stores[second].0);
            let one = admit(begins, &charge);
            let other = admit(follows, &charge);
            settle(follows, &charge, other.lease, 0).expect("an answer");
            settle(begins, &charge, one.lease, 5).expect("an answer");
            let left = remaining(&stores[0].0, &charge);
            assert_eq!(left, 55, "{algorithm}, begun by {first}");
        }
    }
}
