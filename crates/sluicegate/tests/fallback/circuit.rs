//! The times when the store is called, and when it is not.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use sluicegate::{Charge, Clock, Fallback, ManualClock, Store, Taker, Timestamp, Transition};

use crate::remote::{Bench, Network, Remote, now, peek, quota};

#[test]
fn a_store_that_answers_is_asked_each_time() {
    let bench = Bench::of(1);
    bench.ask(100);
    assert_eq!((bench.remote.calls(), bench.store.errors(), bench.store.outages()), (100, 0, 0));
    assert!(bench.store.is_up());
}

#[test]
fn the_fifth_failure_in_a_row_opens_the_circuit() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Down);
    for calls in 1..=5 {
        assert!(bench.store.is_up());
        bench.ask(1);
        assert_eq!(bench.remote.calls(), calls);
    }
    assert!(!bench.store.is_up());
    bench.ask(1);
    assert_eq!((bench.remote.calls(), bench.store.errors(), bench.store.outages()), (5, 5, 1));
}

#[test]
fn four_failures_in_a_row_do_not_open_it() {
    let bench = Bench::of(1);
    for _ in 0..10 {
        bench.remote.is(Network::Down);
        bench.ask(4);
        bench.remote.is(Network::Up);
        bench.ask(5);
    }
    assert!(bench.store.is_up());
    assert_eq!(bench.store.errors(), 40);
}

#[test]
fn more_than_half_of_the_last_twenty_calls_open_it() {
    let bench = Bench::of(1);
    let call = |network| {
        bench.remote.is(network);
        bench.ask(1);
    };
    // Ten of twenty, whichever twenty one looks at.
    for _ in 0..50 {
        call(Network::Down);
        call(Network::Up);
    }
    assert!(bench.store.is_up());
    call(Network::Down);
    assert!(bench.store.is_up(), "the call that left the twenty had failed too");
    call(Network::Down);
    assert!(!bench.store.is_up());
}

#[test]
fn failures_are_forgotten_after_twenty_good_calls() {
    let bench = Bench::of(1);
    for _ in 0..20 {
        bench.remote.is(Network::Down);
        bench.ask(4);
        bench.remote.is(Network::Up);
        bench.ask(20);
    }
    assert!(bench.store.is_up());
}

#[test]
fn a_refusal_is_a_failure_too() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Refusing);
    bench.ask(5);
    assert!(!bench.store.is_up());
}

#[test]
fn settlements_that_fail_open_it_too() {
    let bench = Bench::of(1);
    let charges = [Charge::new("alice", quota("10 tokens/minute")).cost(2)];
    let lease = bench.admit(&charges).lease;
    bench.remote.is(Network::Down);
    for _ in 0..5 {
        assert!(bench.store.is_up());
        assert_eq!(bench.settle(&charges, lease.clone(), &[1]).unwrap_err().to_string(), "the line is dead");
    }
    assert!(!bench.store.is_up());
    assert_eq!(bench.store.decided_locally(), 0);
}

#[test]
fn settlements_go_to_the_store_in_an_outage_too_and_end_none() {
    let bench = Bench::of(1);
    let charges = [Charge::new("alice", quota("10 tokens/minute")).cost(2)];
    let lease = bench.admit(&charges).lease;
    bench.remote.is(Network::Down);
    bench.ask(5);
    assert!(!bench.store.is_up());
    bench.remote.is(Network::Up);
    let calls = bench.remote.calls();
    bench.settle(&charges, lease, &[1]).unwrap();
    assert_eq!(bench.remote.calls(), calls + 1);
    assert!(!bench.store.is_up(), "what a store accepts it may carry later");
}

#[test]
fn an_answer_that_comes_late_closes_nothing() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Silent);
    let charges = peek();
    let mut late = pin!(bench.store.take(&charges));
    let mut context = Context::from_waker(Waker::noop());
    assert!(late.as_mut().poll(&mut context).is_pending());
    bench.go_down();
    bench.remote.is(Network::Up);
    assert!(late.as_mut().poll(&mut context).is_ready());
    assert!(!bench.store.is_up());
}

#[test]
fn a_probe_comes_after_a_quarter_of_a_second_to_a_second() {
    for _ in 0..50 {
        let bench = Bench::down(1);
        let first = until_probed(&bench);
        assert!((250..=500).contains(&first), "the first probe after {first} ms");
        for _ in 0..10 {
            let next = until_probed(&bench);
            assert!((500..=1_000).contains(&next), "a later probe after {next} ms");
        }
    }
}

#[test]
fn probes_are_spread() {
    let times: BTreeSet<_> = (0..100).map(|_| until_probed(&Bench::down(1))).collect();
    assert!(times.len() > 40, "{} different times of 100", times.len());
    let (least, most) = (times.first().unwrap(), times.last().unwrap());
    assert!(*least < 290 && *most > 460, "from {least} to {most} ms");
    let bench = Bench::down(1);
    let times: BTreeSet<_> = (0..100).map(|_| until_probed(&bench)).collect();
    assert!(times.len() > 40, "{} different times of 100 of one outage", times.len());
}

#[test]
fn one_good_answer_closes_the_circuit() {
    let bench = Bench::down(1);
    bench.come_up();
    let calls = bench.remote.calls();
    bench.ask(10);
    assert_eq!(bench.remote.calls(), calls + 10);
    // What failed before is forgotten: it takes five again.
    bench.go_down();
    bench.come_up();
    bench.remote.is(Network::Down);
    bench.ask(4);
    assert!(bench.store.is_up());
}

#[test]
fn without_traffic_nobody_probes() {
    let bench = Bench::down(1);
    let calls = bench.remote.calls();
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.remote.calls(), calls);
    assert!(!bench.store.is_up());
    bench.remote.is(Network::Up);
    bench.ask(1);
    assert!(bench.store.is_up());
}

#[test]
fn a_probe_is_answered_by_the_store_itself() {
    let bench = Bench::down(1);
    bench.remote.is(Network::Up);
    bench.clock.advance(Duration::from_secs(1));
    let taken = bench.admit(&[Charge::new("alice", quota("10/minute"))]);
    assert_eq!(taken.lease.taker(0), Taker::Store);
    assert_eq!((bench.store.local().len(), bench.remote.memory.len()), (0, 1));
}

#[test]
fn all_but_the_probe_go_on_meanwhile() {
    let bench = Bench::down(1);
    bench.remote.is(Network::Silent);
    bench.clock.advance(Duration::from_secs(1));
    let calls = bench.remote.calls();
    let charges = peek();
    let mut context = Context::from_waker(Waker::noop());
    let mut probe = pin!(bench.store.take(&charges));
    assert!(probe.as_mut().poll(&mut context).is_pending());
    for _ in 0..100 {
        bench.clock.advance(Duration::from_secs(1));
        bench.ask(1);
    }
    assert_eq!(bench.remote.calls(), calls + 1);
    bench.remote.is(Network::Up);
    assert!(probe.as_mut().poll(&mut context).is_ready());
    assert!(bench.store.is_up());
}

#[test]
fn of_many_threads_one_probes() {
    let clock = Crossing::default();
    let remote = Remote::new(&clock.time);
    let store = Fallback::builder(remote.clone()).clock(clock.clone()).build();
    remote.is(Network::Down);
    (0..5).for_each(|_| assert!(now(store.take(&peek())).is_ok()));
    remote.is(Network::Silent);
    for _ in 0..50 {
        clock.time.advance(Duration::from_secs(1));
        clock.left.store(Crossing::THREADS, Ordering::SeqCst);
        let (calls, all_asked, waiting) =
            (remote.calls(), Barrier::new(Crossing::THREADS), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..Crossing::THREADS {
                scope.spawn(|| {
                    let charges = peek();
                    let mut take = pin!(store.take(&charges));
                    if take.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                        waiting.fetch_add(1, Ordering::SeqCst);
                    }
                    // The probe is not given up before all have asked.
                    all_asked.wait();
                });
            }
        });
        assert_eq!((remote.calls() - calls, waiting.into_inner()), (1, 1));
    }
}

/// A clock that all threads look at at the same moment.
#[derive(Clone, Default)]
struct Crossing {
    time: ManualClock,
    /// The number of threads still to come.
    left: Arc<AtomicUsize>,
}

impl Crossing {
    const THREADS: usize = 4;
}

impl Clock for Crossing {
    fn now(&self) -> Timestamp {
        let come = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, come).is_ok() {
            while self.left.load(Ordering::SeqCst) > 0 {
                thread::yield_now();
            }
        }
        self.time.now()
    }
}

#[test]
fn a_probe_that_is_given_up_leaves_the_next_one_to_somebody_else() {
    let bench = Bench::down(1);
    bench.remote.is(Network::Silent);
    bench.clock.advance(Duration::from_secs(1));
    let calls = bench.remote.calls();
    {
        let charges = peek();
        let mut probe = pin!(bench.store.take(&charges));
        assert!(matches!(probe.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    assert_eq!(bench.remote.calls(), calls + 1);
    bench.remote.is(Network::Up);
    bench.ask(1);
    assert_eq!(bench.remote.calls(), calls + 1, "not at once: the store may be what it was given up for");
    bench.clock.advance(Duration::from_secs(1));
    bench.ask(1);
    assert!(bench.store.is_up());
}

#[test]
fn a_remembered_denial_says_nothing_of_the_store() {
    let bench = Bench::of(1);
    let spent = [Charge::new("remembered", quota("1/hour"))];
    bench.admit(&spent);
    for _ in 0..4 {
        bench.remote.is(Network::Down);
        bench.ask(1);
        bench.remote.is(Network::Up);
        assert!(!bench.decide(&spent).is_allowed());
    }
    bench.remote.is(Network::Down);
    bench.ask(1);
    assert!(!bench.store.is_up(), "five failures in a row, whatever was remembered between them");

    bench.clock.advance(Duration::from_secs(1));
    bench.remote.is(Network::Up);
    assert!(!bench.decide(&spent).is_allowed());
    assert!(!bench.store.is_up());
    bench.ask(1);
    assert!(bench.store.is_up(), "the next request probes");
}

#[test]
fn each_transition_is_told_once() {
    let bench = Bench::of(1);
    for outage in 1..=3 {
        bench.go_down();
        bench.ask(10);
        bench.clock.advance(Duration::from_secs(4));
        bench.ask(1);
        bench.come_up();
        let told = std::mem::take(&mut *bench.transitions.lock().unwrap());
        let down = Transition::Down { server: None, error: "the line is dead".to_owned() };
        assert_eq!(told, [down, Transition::Up { server: None, after: Duration::from_secs(5) }]);
        assert_eq!(bench.store.outages(), outage);
    }
}

#[test]
fn many_threads_lose_the_store_once() {
    let bench = Bench::of(1);
    bench.remote.is(Network::Down);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bench.ask(100));
        }
    });
    assert_eq!((bench.transitions.lock().unwrap().len(), bench.store.outages()), (1, 1));
    assert!(bench.remote.calls() < 5 + 4, "{} calls", bench.remote.calls());
}

#[test]
fn a_watcher_that_panics_breaks_nothing_else() {
    let clock = ManualClock::new();
    let remote = Remote::new(&clock);
    let store =
        Fallback::builder(remote.clone()).clock(clock.clone()).watch(|_| panic!("a broken watcher")).build();
    remote.is(Network::Down);
    thread::scope(|scope| {
        let call = || (0..5).for_each(|_| drop(now(store.take(&peek()))));
        assert!(scope.spawn(call).join().is_err());
    });
    assert!(now(store.take(&peek())).expect("it goes on").is_allowed());
}

/// Milliseconds until the remote, which is down, is asked the next time.
fn until_probed(bench: &Bench) -> u64 {
    let calls = bench.remote.calls();
    (1..=2_000)
        .find(|_| {
            bench.clock.advance(Duration::from_millis(1));
            bench.ask(1);
            bench.remote.calls() > calls
        })
        .expect("somebody probes")
}
