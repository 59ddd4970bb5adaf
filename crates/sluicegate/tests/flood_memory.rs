//! A flood as an attacker would send it. It has a process of its own, whose memory nobody else uses.

#![cfg(target_os = "linux")]

use std::fs;

use sluicegate::{Charge, ManualClock, MemoryStore, Quota};

const MAX_KEYS: usize = 1_000_000;
const FLOOD: u64 = 10_000_000;
const PAGE: usize = 4_096;

#[test]
fn ten_million_keys_leave_memory_at_its_bound_and_the_limits_of_others_as_they_were() {
    let store = MemoryStore::builder().max_keys(MAX_KEYS).clock(ManualClock::new()).build();
    let quota: Quota = "10/hour".parse().expect("a quota");
    let take = |key: &str| store.take_now(&[Charge::new(key, quota)]).is_allowed();
    let spend = |key: &str, times: usize| (0..times).filter(|_| take(key)).count();

    assert_eq!(spend("spent", 11), 10);
    assert_eq!(spend("half spent", 5), 5);
    let before = resident();
    for key in 0..FLOOD {
        assert!(take(&key.to_string()), "a new key has its whole quota");
    }
    let grown = resident().saturating_sub(before);

    assert!(grown <= MAX_KEYS * 24, "{} bytes for each key that the store was made for", grown / MAX_KEYS);
    assert!(store.len() <= MAX_KEYS + MAX_KEYS / 4 + 10_000, "{} accounts", store.len());
    assert_eq!(spend("spent", 1), 0, "who has spent its quota is not forgiven");
    assert_eq!(spend("half spent", 10), 5, "and keeps exactly what it had left");
}

/// The bytes of this process that are in memory.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux says how much memory is in use");
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * PAGE
}
