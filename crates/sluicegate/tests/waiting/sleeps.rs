//! For how long one waiter waits, and how often it asks.

use std::time::Duration;

use sluicegate::{
    Charge, Cost, Decision, Lease, Limit, ManualClock, MemoryStore, Quota, Store, StoreError, Taken, Wait,
};

use super::crowd::Crowd;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);

static SLOW: Limit = Limit::new("slow", Quota::per_minute(60).burst(2));
static SLOT: Limit = Limit::new("slot", Quota::concurrent(1));

fn crowd() -> Crowd<MemoryStore<ManualClock>> {
    let clock = ManualClock::new();
    Crowd::new(MemoryStore::builder().clock(clock.clone()).build(), clock)
}

#[test]
fn a_waiter_passes_as_soon_as_its_cost_fits_and_not_a_nanosecond_earlier() {
    let mut crowd = crowd();
    crowd.wait("first", [SLOW.charge("alice").cost(2)]);
    assert_eq!(crowd.admitted(), ["first"], "there is enough for it");
    crowd.wait("second", [SLOW.charge("alice").cost(2)]);
    assert!(crowd.admitted().is_empty());
    assert!(crowd.advance(2 * SECOND - TICK).is_empty());
    assert_eq!(crowd.advance(TICK), ["second"]);
    assert_eq!(crowd.sleeps(), [2 * SECOND]);
}

#[test]
fn what_others_take_meanwhile_makes_it_wait_again() {
    let mut crowd = crowd();
    for name in ["first", "second"] {
        crowd.wait(name, [SLOW.charge("alice").cost(2)]);
    }
    assert_eq!(crowd.admitted(), ["first"]);
    crowd.clock.advance(SECOND);
    assert!(crowd.limiter.check_now("alice", &SLOW).allowed().is_some(), "it does not stand in line");
    assert!(crowd.advance(SECOND).is_empty());
    assert_eq!(crowd.advance(SECOND), ["second"]);
    assert_eq!(crowd.sleeps(), [2 * SECOND, SECOND]);
}

#[test]
fn what_can_never_pass_is_denied_at_once_though_others_wait() {
    let mut crowd = crowd();
    crowd.wait("first", [SLOW.charge("alice").cost(2)]);
    crowd.wait("second", [SLOW.charge("alice")]);
    assert_eq!(crowd.admitted(), ["first"]);
    for charge in [SLOW.charge("alice").cost(3), Charge::new("slow|alice", Quota::per_day(0))] {
        crowd.wait("never", [charge]);
        let Some(("never", Ok(Decision::Deny(denial)))) = crowd.run().pop() else { panic!("an answer") };
        assert_eq!(denial.wait, Wait::Forever);
    }
    assert_eq!(crowd.advance(SECOND), ["second"], "nobody was held up");
}

#[test]
fn a_slot_is_looked_for_ever_more_rarely_and_found_within_a_tenth_of_a_second() {
    let mut crowd = crowd();
    let permit = crowd.limiter.check_now("alice", &SLOT).allowed().expect("a free slot");
    crowd.wait("waiter", [SLOT.charge("alice")]);
    assert!(crowd.admitted().is_empty());
    for _ in 0..1_000 {
        assert!(crowd.advance(Duration::from_millis(10)).is_empty());
    }
    let looks = [10, 20, 40, 80, 100, 100].map(Duration::from_millis);
    assert_eq!(crowd.sleeps()[..6], looks);
    assert!(crowd.sleeps().len() <= 105, "ten times a second");
    drop(permit);
    assert_eq!(crowd.advance(Duration::from_millis(100)), ["waiter"]);
}

/// A store that never answers what it is asked.
struct Broken;

impl Store for Broken {
    type Lease = Lease;

    async fn take(&self, _: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Err(StoreError::new("it is down"))
    }

    async fn settle(&self, _: &[Charge], _: Lease, _: &[Cost]) -> Result<(), StoreError> {
        Err(StoreError::new("it is down"))
    }

    async fn reset(&self, _: &[Charge]) -> Result<(), StoreError> {
        Err(StoreError::new("it is down"))
    }

    fn release(&self, _: &[Charge], _: Lease) {}
}

#[test]
fn a_store_that_does_not_answer_is_an_error_for_everybody_in_line() {
    let mut crowd = Crowd::new(Broken, ManualClock::new());
    for name in ["first", "second"] {
        crowd.wait(name, [SLOW.charge("alice")]);
    }
    let answers = crowd.run();
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|(_, answer)| answer.is_err()));
}

#[test]
fn a_waiter_can_be_sent_to_another_thread() {
    fn is_send(_: impl Send) {}
    let crowd = crowd();
    is_send(crowd.limiter.until_ready(&[], |_| std::future::ready(())));
}
