//! Instances whose clocks differ.

use std::{
    sync::LazyLock,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestRunner};
use sluicegate::{Algorithm, Charge, Denial, ManualClock, Quota};
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

/// An instance that starts after its clock was set back by an hour, with accounts that were charged before.
#[test]
fn who_starts_after_a_step_back_waits_no_longer_than_the_last_charge_demands() {
    let server = MemcachedServer::start();
    for algorithm in KEPT {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(100_000));
        let charge = Charge::new("alice", minutely(algorithm));
        assert_eq!(exhaust(&open(patient(&server.url()).clock(clock.clone())), &charge), 60);
        clock.set_back(Duration::from_secs(3_600));
        let started = open(patient(&server.url()).clock(clock.clone()));
        let denied = ask(&started, &charge).expect("an answer");
        let wait = denied.denial().and_then(Denial::retry_after).expect("a time to wait");
        assert!(wait <= Duration::from_millis(61_001), "{algorithm}: {wait:?}");
        clock.advance(wait);
        admit(&started, &charge);
    }
}

/// A window that the policy made shorter did not begin in the future.
#[test]
fn a_shorter_window_does_not_move_the_time() {
    let server = MemcachedServer::start();
    let [(store, clock), _] = apart(&server);
    for algorithm in KEPT {
        let quota = |seconds| {
            let quota = Quota::new(1, Duration::from_secs(seconds));
            quota.and_then(|quota| quota.with_algorithm(algorithm)).expect("a good quota")
        };
        admit(&store, &Charge::new("alice", quota(3_600)));
        assert!(!ask(&store, &Charge::new("alice", quota(60))).expect("an answer").is_allowed());
        let other = admit(&store, &Charge::new(format!("{algorithm}"), quota(60)));
        assert_eq!(other.lease.taken_at, sluicegate::Clock::now(&clock), "{algorithm}");
    }
}

/// One thing that happens to some instances that share an account.
#[derive(Clone, Copy, Debug)]
enum Event {
    Take(usize),
    Pass(u64),
    Set(usize, i64),
    Restart(usize),
}

/// Whatever the clocks of three instances do, an account gives its quota, the rate, and once the lead of the
/// clock farthest ahead. No caller that waits as long as told is denied.
#[test]
fn clocks_that_differ_and_are_set_give_no_more_than_the_farthest() {
    static SERVER: LazyLock<MemcachedServer> = LazyLock::new(MemcachedServer::start);
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let event = prop_oneof![
        4 => (0..3_usize).prop_map(Event::Take),
        2 => (0..5_000_u64).prop_map(Event::Pass),
        2 => (0..3_usize, -40_000..40_000_i64).prop_map(|(which, by)| Event::Set(which, by)),
        1 => (0..3_usize).prop_map(Event::Restart),
    ];
    let schedule = (prop::sample::select(&KEPT[..]), prop::collection::vec(event, 1..40));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) };
    let run = |(algorithm, events): (Algorithm, Vec<Event>)| {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let opened = |clock: &ManualClock| {
            open(patient(&SERVER.url()).prefix(&format!("run-{run}")).clock(clock.clone()))
        };
        let clocks = [(); 3].map(|()| ManualClock::new());
        clocks.iter().for_each(|clock| clock.advance(Duration::from_secs(1_000_000)));
        let mut stores = clocks.each_ref().map(opened);
        let quota = Quota::new(4, Duration::from_secs(10)).and_then(|quota| quota.with_algorithm(algorithm));
        let charge = Charge::new("alice", quota.expect("a good quota"));
        let (mut admitted, mut passed, mut ahead, mut farthest) = (0_u64, 0_u64, [0_i64; 3], 0_i64);
        let mut first = 0_i64;
        for event in events {
            match event {
                Event::Take(which) => {
                    farthest = farthest.max(ahead[which]);
                    // An instance behind may have charged first; what is ahead of it gives, too.
                    first = first.min(ahead[which]);
                    admitted += u64::from(ask(&stores[which], &charge).expect("an answer").is_allowed());
                }
                Event::Pass(milliseconds) => {
                    passed += milliseconds;
                    clocks.iter().for_each(|clock| clock.advance(Duration::from_millis(milliseconds)));
                }
                Event::Set(which, by) => {
                    ahead[which] += by;
                    match u64::try_from(by) {
                        Ok(by) => clocks[which].set_forward(Duration::from_millis(by)),
                        Err(_) => clocks[which].set_back(Duration::from_millis(by.unsigned_abs())),
                    }
                }
                Event::Restart(which) => stores[which] = opened(&clocks[which]),
            }
        }
        // What a window admits at the end of one and the beginning of the next, and for each that has passed.
        let windows = (passed + (farthest - first).unsigned_abs()).div_ceil(10_000);
        prop_assert!(admitted <= 4 * (windows + 1), "{admitted} in {windows} windows, {algorithm}");

        for store in &stores {
            exhaust(store, &charge);
        }
        for store in &stores {
            let denied = ask(store, &charge).expect("an answer");
            let wait = denied.denial().and_then(Denial::retry_after).expect("a time to wait");
            prop_assert!(wait <= Duration::from_millis(20_001), "{wait:?}, {algorithm}");
        }
        Ok(())
    };
    TestRunner::new(config).run(&schedule, run).unwrap_or_else(|failure| panic!("{failure}"));
}
