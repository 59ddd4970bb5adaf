//! Events that end a remembered denial early.

use std::{
    pin::pin,
    slice::from_ref,
    sync::atomic::Ordering,
    task::{Context, Waker},
    time::Duration,
};

use sluicegate::{Charge, Cost, Store, Wait};

use crate::inner::{Asker, Inner, quota};

fn tokens(key: &str, cost: u64) -> Charge {
    Charge::new(key, quota("100 tokens/minute")).cost(cost)
}

#[test]
fn a_refund_ends_what_is_remembered_of_its_account() {
    let asker = Asker::new();
    let [alice, bob] = ["alice", "bob"].map(|key| tokens(key, 60));
    let lease = asker.admit(from_ref(&alice)).lease;
    asker.admit(from_ref(&bob));
    asker.deny(from_ref(&alice));
    asker.deny(from_ref(&bob));
    asker.settle(from_ref(&alice), lease, &[10]);
    assert!(asker.deny(from_ref(&bob)).remembered, "another account");
    assert!(asker.take(from_ref(&alice)).is_allowed());
}

#[test]
fn a_refund_ends_it_under_any_quota_and_in_any_bill() {
    let asker = Asker::new();
    let lease = asker.admit(&[tokens("alice", 60)]).lease;
    let scaled = Charge { quota: quota("50 tokens/minute"), ..tokens("alice", 40) };
    let bills = [vec![scaled], vec![tokens("bob", 1), tokens("alice", 41)]];
    for bill in &bills {
        asker.deny(bill);
        assert!(asker.deny(bill).remembered);
    }
    asker.settle(&[tokens("alice", 60)], lease, &[0]);
    assert!(asker.take(&bills[0]).is_allowed());
    assert!(!asker.deny(&[tokens("bob", 1), tokens("alice", 100)]).remembered);
}

#[test]
fn a_debt_ends_it_too_for_the_wait_is_longer() {
    let asker = Asker::new();
    let lease = asker.admit(&[tokens("alice", 60)]).lease;
    let before = asker.deny(&[tokens("alice", 60)]).wait;
    asker.settle(&[tokens("alice", 60)], lease, &[110]);
    let after = asker.deny(&[tokens("alice", 60)]);
    assert!(!after.remembered && after.wait > before);
}

#[test]
fn a_charge_ends_it_for_the_same_reason() {
    let asker = Asker::new();
    asker.admit(&[tokens("alice", 60)]);
    let before = asker.deny(&[tokens("alice", 60)]).wait;
    asker.admit(&[tokens("bob", 1), tokens("alice", 20)]);
    let after = asker.deny(&[tokens("alice", 60)]);
    assert!(!after.remembered && after.wait > before);
}

#[test]
fn settling_for_the_estimate_ends_nothing() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60), tokens("bob", 60)];
    let lease = asker.admit(&charges).lease;
    asker.deny(&charges);
    asker.settle(&charges, lease, &[60]);
    asker.settle(&charges, lease, &[]);
    Store::release(&asker.cache, &charges, lease);
    assert!(asker.deny(&charges).remembered);
}

#[test]
fn a_reset_ends_it_whatever_the_quota_and_of_no_other_account() {
    let asker = Asker::new();
    let [alice, bob] = ["alice", "bob"].map(|key| tokens(key, 60));
    for charge in [&alice, &bob] {
        asker.admit(from_ref(charge));
        asker.deny(from_ref(charge));
    }
    asker.reset(&[Charge { quota: quota("7 tokens/day"), ..alice.clone() }]);
    assert!(asker.deny(from_ref(&bob)).remembered, "another account");
    assert!(asker.take(from_ref(&alice)).is_allowed());
}

#[test]
fn a_denial_that_was_under_way_when_its_account_was_reset_is_not_remembered() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    asker.admit(&charges);
    let mut context = Context::from_waker(Waker::noop());
    asker.inner.holds_answers.store(true, Ordering::SeqCst);
    let mut denied = pin!(asker.cache.take(&charges));
    assert!(denied.as_mut().poll(&mut context).is_pending());
    asker.reset(&charges);
    asker.inner.holds_answers.store(false, Ordering::SeqCst);
    assert!(denied.as_mut().poll(&mut context).is_ready());
    assert!(asker.take(&charges).is_allowed());
}

#[test]
fn a_denial_that_overtakes_a_reset_is_not_remembered_after_it() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    asker.admit(&charges);
    let mut context = Context::from_waker(Waker::noop());
    asker.inner.holds_settlements.store(true, Ordering::SeqCst);
    let mut reset = pin!(asker.cache.reset(&charges));
    assert!(reset.as_mut().poll(&mut context).is_pending());
    asker.deny(&charges);
    asker.inner.holds_settlements.store(false, Ordering::SeqCst);
    assert!(reset.as_mut().poll(&mut context).is_ready());
    assert!(asker.take(&charges).is_allowed());
}

#[test]
fn a_reset_that_nobody_waits_for_forgets_too() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    asker.admit(&charges);
    asker.deny(&charges);
    asker.inner.holds_settlements.store(true, Ordering::SeqCst);
    {
        let mut reset = pin!(asker.cache.reset(&charges));
        assert!(reset.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(asker.deny(&charges).remembered);
    }
    assert!(!asker.deny(&charges).remembered, "it may have reached the store");
}

#[test]
fn clearing_forgets_everything() {
    let asker = Asker::new();
    let bills: Vec<_> =
        (0..100).map(|key: usize| [Charge::new(key.to_string(), quota("1/minute"))]).collect();
    bills.iter().for_each(|bill| drop(asker.exhaust(bill)));
    assert!(bills.iter().all(|bill| asker.deny(bill).remembered));
    asker.cache.clear();
    assert!(!bills.iter().any(|bill| asker.deny(bill).remembered));
    assert!(bills.iter().all(|bill| asker.deny(bill).remembered));
}

#[test]
fn a_denial_that_was_under_way_when_a_refund_passed_is_not_remembered() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    let lease = asker.admit(&charges).lease;
    let mut context = Context::from_waker(Waker::noop());
    asker.inner.holds_answers.store(true, Ordering::SeqCst);
    let mut denied = pin!(asker.cache.take(&charges));
    assert!(denied.as_mut().poll(&mut context).is_pending());
    asker.settle(&charges, lease, &[0]);
    asker.inner.holds_answers.store(false, Ordering::SeqCst);
    assert!(denied.as_mut().poll(&mut context).is_ready());
    assert!(asker.take(&charges).is_allowed());
}

#[test]
fn a_denial_that_overtakes_a_refund_is_not_remembered_after_it() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    let lease = asker.admit(&charges).lease;
    let mut context = Context::from_waker(Waker::noop());
    asker.inner.holds_settlements.store(true, Ordering::SeqCst);
    let mut settled = pin!(asker.cache.settle(&charges, lease, &[Cost::ZERO]));
    assert!(settled.as_mut().poll(&mut context).is_pending());
    asker.deny(&charges);
    asker.inner.holds_settlements.store(false, Ordering::SeqCst);
    assert!(settled.as_mut().poll(&mut context).is_ready());
    assert!(asker.take(&charges).is_allowed());
}

#[test]
fn a_settlement_that_nobody_waits_for_forgets_too() {
    let asker = Asker::new();
    let charges = [tokens("alice", 60)];
    let lease = asker.admit(&charges).lease;
    asker.deny(&charges);
    asker.inner.holds_settlements.store(true, Ordering::SeqCst);
    {
        let mut settled = pin!(asker.cache.settle(&charges, lease, &[Cost::ZERO]));
        assert!(settled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(asker.deny(&charges).remembered);
    }
    assert!(!asker.deny(&charges).remembered, "it may have reached the store");
}

#[test]
fn a_refund_by_another_instance_is_seen_after_the_refund_cap() {
    let inner = Inner::new();
    let [one, other] = [(); 2].map(|()| Asker::of(&inner, |builder| builder));
    let charges = [tokens("alice", 60)];
    let lease = one.admit(&charges).lease;
    assert_eq!(other.deny(&charges).wait, Wait::For(Duration::from_secs(12)));
    one.settle(&charges, lease, &[0]);
    assert!(other.deny(&charges).remembered);
    other.advance(Duration::from_millis(250));
    assert!(other.take(&charges).is_allowed());
}
