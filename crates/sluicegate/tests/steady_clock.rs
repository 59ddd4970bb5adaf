//! A clock that may be set, made one that never goes back.

use std::time::Duration;

use proptest::prelude::*;
use sluicegate::{Clock, ManualClock, SteadyClock, SystemClock, Timestamp};

/// A clock that shows a time after its epoch, so that it can be set back.
fn server() -> ManualClock {
    let server = ManualClock::new();
    server.advance(Duration::from_secs(1 << 20));
    server
}

/// One thing that happens to a server's clock.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Back(u64),
    Forward(u64),
    Read,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..100_000_u64).prop_map(Step::Pass),
        1 => (0..100_000_u64).prop_map(Step::Back),
        1 => (0..100_000_u64).prop_map(Step::Forward),
        3 => Just(Step::Read),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// It runs at least as fast as time passes, and gains what the clock was ahead at most, once.
    #[test]
    fn it_never_loses_time_and_gains_no_more_than_the_clock_was_ahead(steps in steps()) {
        let server = server();
        let clock = SteadyClock::of(&server);
        let began = clock.read(server.wall());
        let (mut passed, mut ahead, mut farthest, mut last) = (0, 0_i64, 0_i64, began);
        for step in steps {
            match step {
                Step::Pass(ticks) => {
                    server.advance_ticks(ticks);
                    passed += ticks;
                }
                // A tick is 1/16 ns.
                Step::Back(nanoseconds) => {
                    server.set_back(Duration::from_nanos(nanoseconds));
                    ahead -= i64::try_from(nanoseconds * 16).expect("a few");
                }
                Step::Forward(nanoseconds) => {
                    server.set_forward(Duration::from_nanos(nanoseconds));
                    ahead += i64::try_from(nanoseconds * 16).expect("a few");
                }
                Step::Read => {
                    let now = clock.read(server.wall());
                    farthest = farthest.max(ahead);
                    let exact = began.ticks() + passed + u64::try_from(farthest).expect("never behind");
                    prop_assert_eq!(now, Timestamp::from_ticks(exact));
                    prop_assert!(now >= last);
                    prop_assert_eq!(clock.least(), now);
                    last = now;
                }
            }
        }
    }
}

#[test]
fn it_goes_on_between_readings() {
    let server = server();
    let clock = SteadyClock::of(&server);
    let before = clock.read(server.wall());
    server.set_back(Duration::from_secs(3_600));
    server.advance(Duration::from_secs(7));
    assert_eq!(clock.least(), before + Duration::from_secs(7));
}

/// The clock of this machine is right: whatever is read from it is the time, to the tick.
#[test]
fn a_clock_that_is_not_set_is_believed() {
    let (server, clock) = (server(), SteadyClock::new());
    for _ in 0..1_000 {
        // More than passes on the machine meanwhile.
        server.advance(Duration::from_secs(60));
        assert_eq!(clock.read(server.wall()), server.wall());
    }
}

#[test]
fn time_passes_by_the_machines_clock_when_a_server_is_set_back() {
    let (server, clock) = (server(), SteadyClock::new());
    let before = clock.read(server.wall());
    server.set_back(Duration::from_secs(3_600));
    let machine = SystemClock::new();
    while machine.now().since(Timestamp::EPOCH) < Duration::from_millis(20) {
        assert!(clock.read(server.wall()) >= before);
    }
    let passed = clock.read(server.wall()).since(before);
    assert!(passed >= Duration::from_millis(19), "{passed:?}");
}

#[test]
fn a_manual_clock_can_be_set_and_its_time_never_goes_back() {
    let clock = ManualClock::new();
    let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
    clock.advance(Duration::from_secs(100));
    clock.set_back(Duration::from_secs(30));
    assert_eq!((clock.wall(), clock.now()), (at(70), at(100)));
    clock.set_forward(Duration::from_secs(20));
    assert_eq!((clock.wall(), clock.now()), (at(90), at(100)));
    clock.set_forward(Duration::from_secs(50));
    assert_eq!((clock.wall(), clock.now()), (at(140), at(140)));
    clock.advance(Duration::from_secs(5));
    assert_eq!((clock.wall(), clock.now()), (at(145), at(145)));
    clock.set_back(Duration::from_secs(1_000));
    assert_eq!((clock.wall(), clock.now()), (Timestamp::EPOCH, at(145)));
}
