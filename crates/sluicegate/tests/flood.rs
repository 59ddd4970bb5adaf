//! A memory store that is asked for more keys than it keeps.

use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;
use sluicegate::{
    Algorithm, Charge, Clock, Cost, ManualClock, MemoryStore, Quota,
    accounts::{Account, TokenBucket},
};

fn store(max_keys: usize) -> (MemoryStore<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    (MemoryStore::builder().max_keys(max_keys).clock(clock.clone()).build(), clock)
}

fn quota(text: &str) -> Quota {
    text.parse().expect("a quota")
}

fn take(store: &MemoryStore<ManualClock>, key: &str, quota: Quota) -> bool {
    store.take_now(&[Charge::new(key, quota)]).is_allowed()
}

#[test]
fn a_caller_that_floods_the_store_does_not_get_its_own_quota_back() {
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let quota = quota("10/minute").with_algorithm(algorithm).unwrap();
        let (store, _clock) = store(1_000);
        let mut admitted = 0;
        for round in 0..20 {
            admitted += (0..20).filter(|_| take(&store, "attacker", quota)).count();
            for index in 0..2_000 {
                take(&store, &format!("flood {round} {index}"), quota);
            }
        }
        assert!(store.evictions() > 10_000, "the flood is larger than the store");
        assert_eq!(admitted, 10, "{algorithm}");
    }
}

#[test]
fn a_flood_leaves_the_store_at_its_bound() {
    let (store, _clock) = store(10_000);
    for index in 0..200_000 {
        take(&store, &format!("key {index}"), quota("10/minute"));
    }
    assert_eq!(store.max_keys(), 10_000);
    assert!((10_000..=12_600).contains(&store.len()), "{} accounts", store.len());
    assert_eq!(usize::try_from(store.evictions()).unwrap() + store.len(), 200_000);
}

#[test]
fn a_store_of_as_many_keys_as_it_is_made_for_forgets_fewer_than_one_in_a_thousand() {
    let (store, _clock) = store(100_000);
    for index in 0..100_000 {
        take(&store, &format!("key {index}"), quota("10/minute"));
    }
    assert!(store.evictions() < 100, "{} evictions", store.evictions());
}

#[test]
fn accounts_that_have_earned_back_what_they_spent_make_room_for_others() {
    let (store, clock) = store(1_000);
    for minute in 0..10 {
        for index in 0..600 {
            take(&store, &format!("key {minute} {index}"), quota("10/minute"));
        }
        clock.advance(Duration::from_secs(6));
    }
    assert_eq!((store.evictions(), store.forgiven()), (0, Duration::ZERO));
}

#[test]
fn slots_that_are_held_outlast_any_flood() {
    let (store, _clock) = store(100);
    let slots = Quota::concurrent(1);
    let keys: Vec<String> = (0..1_000).map(|index| format!("key {index}")).collect();
    assert!(keys.iter().all(|key| take(&store, key, slots)));
    assert!(!keys.iter().any(|key| take(&store, key, slots)));
}

proptest! {
    /// Under any traffic, admissions beyond the quotas are no more than evictions forgave.
    #[test]
    fn over_admission_is_at_most_what_evictions_forgave(
        requests in proptest::collection::vec((0..400_u32, 1..=10_u64, 0..2_000_u64), 500..2_000),
    ) {
        let quota = quota("10/minute");
        let (store, clock) = store(32);
        let mut books: HashMap<u32, (TokenBucket, u64)> = HashMap::new();
        for (key, cost, milliseconds) in requests {
            clock.advance(Duration::from_millis(milliseconds / 20));
            let charge = Charge::new(key.to_string(), quota).cost(cost);
            if store.take_now(&[charge]).is_allowed() {
                // What the key has really spent, and by how much that was ever more than a full bucket.
                let (account, most) = books.entry(key).or_default();
                account.charge(&quota, Cost::new(cost), clock.now());
                *most = (*most).max(account.spent(clock.now()).saturating_sub(MINUTE));
            }
        }
        let beyond: u64 = books.values().map(|(_, most)| most).sum();
        prop_assert!(store.evictions() > 0);
        prop_assert!(Duration::from_nanos(beyond / 16) <= store.forgiven());
    }
}

/// A full bucket of ten a minute, in ticks.
const MINUTE: u64 = 60_000_000_000 * 16;
