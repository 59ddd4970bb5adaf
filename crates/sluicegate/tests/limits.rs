//! Limits, and the keys that they write.

use std::{
    borrow::Cow,
    future::Future,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use sluicegate::{
    Cost, Decision, Denial, Key, KeyParts, KeyWriter, Limit, Limiter, ManualClock, MemoryStore, Permit,
    Quota, Unit,
};

static TWICE: Limit = Limit::new("twice", Quota::per_minute(2));
static TOKENS: Limit = Limit::new("tokens", Quota::per_minute(100).of(Unit::Tokens));
static SLOT: Limit = Limit::new("slot", Quota::concurrent(1));

type Memory = MemoryStore<ManualClock>;

fn limiter() -> (Limiter<Memory>, ManualClock) {
    let clock = ManualClock::new();
    (Limiter::new(MemoryStore::builder().clock(clock.clone()).build()), clock)
}

fn admitted(decision: Decision<Permit<Memory>>) -> Permit<Memory> {
    decision.allowed().expect("there is enough")
}

#[test]
fn each_caller_has_an_account_of_its_own_under_each_limit() {
    let (limiter, clock) = limiter();
    let other = Limit::named(String::from("other"), Quota::per_minute(2));
    for _ in 0..2 {
        drop(admitted(limiter.check_now("alice", &TWICE)));
    }
    let denial = limiter.check_now("alice", &TWICE);
    assert_eq!(denial.denial().and_then(Denial::retry_after), Some(Duration::from_secs(30)));
    drop(admitted(limiter.check_now("bob", &TWICE)));
    drop(admitted(limiter.check_now("alice", &other)));
    clock.advance(Duration::from_secs(30));
    drop(admitted(limiter.check_now("alice", &TWICE)));
}

#[test]
fn a_check_is_a_take_of_one_unit_and_can_be_settled() {
    let (limiter, _) = limiter();
    let permit = admitted(limiter.check_now("alice", &TOKENS));
    assert_eq!(permit.charges(), [TOKENS.charge("alice")]);
    assert_eq!(permit.charges()[0].cost, Cost::ONE);
    permit.settle_now(&[Cost::new(40)]);
    let rest = admitted(limiter.take_now(&[TOKENS.charge("alice").cost(0)]));
    assert_eq!(rest.balances()[0].remaining, 60);
}

#[test]
fn a_check_without_a_future_is_the_same_as_one_with() {
    let (limiter, _) = limiter();
    let mut check = pin!(limiter.check(("acme", 7), &TWICE));
    let Poll::Ready(decision) = check.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("memory never waits");
    };
    assert_eq!(admitted(decision.expect("memory never fails")).balances()[0].remaining, 1);
    assert_eq!(admitted(limiter.check_now(("acme", 7), &TWICE)).balances()[0].remaining, 0);
}

#[test]
fn a_slot_is_held_for_as_long_as_the_permit() {
    let (limiter, _) = limiter();
    let permit = admitted(limiter.check_now((), &SLOT));
    assert!(limiter.check_now((), &SLOT).denial().is_some());
    drop(permit);
    drop(admitted(limiter.check_now((), &SLOT)));
}

#[test]
fn callers_are_told_apart_by_text_numbers_addresses_and_tuples_of_them() {
    struct Tenant(&'static str);
    impl KeyParts for Tenant {
        fn write_to(&self, key: &mut KeyWriter<'_>) {
            key.text(self.0);
        }
    }
    let key = |parts: &dyn KeyParts| TWICE.key(parts).to_string();
    assert_eq!(key(&()), "twice");
    assert_eq!(key(&String::from("alice")), "twice|alice");
    assert_eq!(key(&Cow::Borrowed("alice")), "twice|alice");
    assert_eq!(key(&Arc::<str>::from("alice")), "twice|alice");
    assert_eq!(key(&-7_i64), "twice|-7");
    assert_eq!(key(&IpAddr::from(Ipv6Addr::LOCALHOST)), "twice|::1");
    assert_eq!(key(&(Tenant("acme"), "gpt-4o", 3_u8, true)), "twice|acme|gpt-4o|3|true");
    assert_eq!(key(&("acme", '|')), "twice|acme|%7C");
    assert_eq!(key(&Key::of(["a", "b"])), "twice|a%7Cb");
    assert_eq!(TWICE.key(("acme", "gpt-4o")).caller(), "acme");
}

proptest! {
    #[test]
    fn a_limits_key_is_the_key_of_its_parts_however_long(
        name in "[a|%é-]{0,30}", caller in "[b|%ü:]{0,40}", model in "[c|%]{0,20}",
    ) {
        let limit = Limit::named(name.clone(), Quota::per_minute(1));
        let key = limit.key((&caller, model.clone()));
        prop_assert_eq!(&key, &Key::of([&*name, &*caller, &*model]));
        let apart = key.as_str().split('|').map(|part| part.replace("%7C", "|").replace("%25", "%"));
        prop_assert_eq!(apart.collect::<Vec<_>>(), [name, caller, model]);
    }

    #[test]
    fn a_number_is_written_as_text(number in any::<i128>(), address in any::<[u8; 16]>()) {
        let address = Ipv6Addr::from(address);
        prop_assert_eq!(TWICE.key((number, address)), TWICE.key((number.to_string(), address.to_string())));
    }
}
