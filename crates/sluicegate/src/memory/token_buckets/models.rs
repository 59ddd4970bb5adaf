//! Models of the table, in which loom runs two threads in all orders that a processor allows.
//!
//! Each model is a race of two threads on the slots of one row. It says what holds in the end, and what each thread may
//! have seen meanwhile.

use std::sync::Arc;

use loom::{
    model::Builder,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{TokenBuckets, Word};
use crate::{
    Charge, Cost, Quota, Timestamp,
    accounts::{Account, Standing, Verdict},
    fingerprint::Fingerprint,
    memory::{glance::Glance, several},
};

impl Word for AtomicU64 {
    fn zeros(count: usize) -> Box<[Self]> {
        (0..count).map(|_| Self::new(0)).collect()
    }

    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn store(&self, value: u64) {
        self.store(value, Ordering::Release);
    }

    fn replace(&self, current: u64, new: u64) -> bool {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn pause(_: u32) {
        thread::yield_now();
    }
}

/// A table of one row, and the lock under which keys get accounts.
struct Table {
    buckets: TokenBuckets<AtomicU64>,
    lock: Mutex<()>,
}

impl Table {
    fn new() -> Self {
        let table = Self { buckets: TokenBuckets::with_room_for(1), lock: Mutex::new(()) };
        // Allocates the row: loom knows nothing of the standard library's `OnceLock`.
        table.take(F, 1);
        table.buckets.reset(F);
        table
    }

    fn full() -> Self {
        let table = Self::new();
        for key in [X, A, B, C, D, E, F] {
            table.take(key, if key == X { 1 } else { 5 });
        }
        table
    }

    /// Takes one charge as the store does.
    fn take(&self, key: Fingerprint, cost: u64) -> Standing {
        self.look(key, cost).unwrap_or_else(|| {
            let _alone = self.lock.lock().expect("no thread panics");
            self.buckets.take_new(key, &charge(cost), NOW).judge(&quota(), Cost::new(cost), NOW)
        })
    }

    /// The same for a key that has an account. `None` if it has lost it.
    fn look(&self, key: Fingerprint, cost: u64) -> Option<Standing> {
        let account = self.buckets.take(key, &charge(cost), NOW)?;
        Some(account.judge(&quota(), Cost::new(cost), NOW))
    }

    /// Takes several charges as the store does, on accounts that are there.
    fn take_all(&self, keys: &[Fingerprint], cost: u64) -> bool {
        let charges: Vec<Charge> = keys.iter().map(|_| charge(cost)).collect();
        several::take(&self.buckets, &charges, |charge| keys[charge], NOW)
            .expect("they have accounts")
            .is_allowed()
    }

    /// Takes several charges as the store does beside accounts of other kinds.
    fn take_all_locked(&self, keys: &[Fingerprint], cost: u64) -> bool {
        let charges: Vec<Charge> = keys.iter().map(|_| charge(cost)).collect();
        let _alone = self.lock.lock().expect("no thread panics");
        loop {
            let glance = Glance::at(&self.buckets, &charges, keys, NOW);
            if !Verdict::of(&charges, &glance).admits() {
                return false;
            }
            if let Some(mut holds) = glance.hold() {
                glance.charge(&mut holds);
                return true;
            }
            thread::yield_now();
        }
    }

    fn settle(&self, key: Fingerprint, estimate: u64, actual: u64) {
        self.buckets.settle(key, &quota(), Cost::new(estimate), Cost::new(actual), NOW, NOW);
    }

    /// The amount that a key has spent.
    fn spent(&self, key: Fingerprint) -> u64 {
        AMOUNT - self.look(key, 0).expect("a peek needs no account").remaining
    }
}

/// Runs two threads on one table in all orders, and then checks it.
fn race<T: Send + 'static, U: Send + 'static>(
    table: fn() -> Table,
    one: fn(&Table) -> T,
    other: fn(&Table) -> U,
    check: fn(&Table, T, U),
) {
    race_within(None, table, one, other, check);
}

/// The same with so many switches of threads in unexpected places.
fn race_within<T: Send + 'static, U: Send + 'static>(
    preemptions: Option<usize>,
    table: fn() -> Table,
    one: fn(&Table) -> T,
    other: fn(&Table) -> U,
    check: fn(&Table, T, U),
) {
    let mut all = Builder::new();
    all.preemption_bound = preemptions;
    all.max_branches = 10_000;
    all.check(move || {
        let table = Arc::new(table());
        let thread = begin(&table, one);
        let other = other(&table);
        check(&table, thread.join().expect("no thread panics"), other);
    });
    // Once more with the roles exchanged: loom forgets the load of one thread over a later load of the other, and tries
    // no other order of that first load and a store.
    all.check(move || {
        let table = Arc::new(table());
        let thread = begin(&table, other);
        let one = one(&table);
        check(&table, one, thread.join().expect("no thread panics"));
    });
}

fn begin<T: Send + 'static>(table: &Arc<Table>, run: fn(&Table) -> T) -> JoinHandle<T> {
    let table = Arc::clone(table);
    thread::spawn(move || run(&table))
}

#[test]
fn of_two_charges_that_do_not_fit_together_one_is_taken() {
    race(
        || spent(4),
        |table| table.take(X, 4).fits(),
        |table| table.take(X, 4).fits(),
        |table, one, other| {
            assert!(one != other);
            assert_eq!(table.spent(X), 8);
        },
    );
}

#[test]
fn two_threads_give_a_new_key_one_account() {
    race(
        Table::new,
        |table| table.take(X, 3).fits(),
        |table| table.take(X, 4).fits(),
        |table, one, other| {
            assert!(one && other);
            assert_eq!((table.spent(X), table.buckets.len()), (7, 1));
        },
    );
}

#[test]
fn a_charge_never_lands_on_the_key_that_takes_the_place() {
    race(
        Table::full,
        |table| table.look(X, 3).map(Standing::fits),
        |table| table.take(Y, 1).remaining,
        |table, one, other| {
            // Charged before it was evicted, or after all has gone; either way it was not the least any more.
            assert!(one != Some(false), "its own account had room");
            assert_eq!(other, AMOUNT - 1);
            assert_eq!(table.spent(Y), 1);
        },
    );
}

#[test]
fn a_key_that_goes_and_comes_back_is_judged_by_its_own_account() {
    race_within(
        Some(2),
        Table::full,
        |table| table.look(X, 9).map(Standing::fits),
        |table| {
            table.take(Y, 1);
            table.buckets.reset(Y);
            table.take(X, 1).fits()
        },
        |_, one, other| {
            assert!(one != Some(false), "nine fit beside the one of before and the one of after");
            assert!(other || one == Some(true));
        },
    );
}

#[test]
fn a_refund_and_a_charge_both_count() {
    race(
        || spent(8),
        |table| table.settle(X, 8, 3),
        |table| table.take(X, 2).fits(),
        |table, (), other| {
            assert!(other);
            assert_eq!(table.spent(X), 5);
        },
    );
}

/// A request with charges of three on `A`, `B` and `C` beside a charge of three on `B`, which has room for one of the two.
fn one_of_two_fits(several: fn(&Table) -> bool) {
    race(
        three,
        several,
        |table| table.take(B, 3).fits(),
        |table, one, other| {
            assert!(one != other, "there is room for one of them in B");
            let rest = if one { 5 } else { 2 };
            assert_eq!([A, B, C].map(|key| table.spent(key)), [rest, 8, rest]);
        },
    );
}

#[test]
fn several_charges_are_taken_together_or_not_at_all() {
    one_of_two_fits(|table| table.take_all(&[A, B, C], 3));
}

#[test]
fn several_charges_are_never_seen_half_taken() {
    race(
        three,
        |table| table.take_all(&[A, C], 1),
        |table| [A, C].map(|key| table.spent(key)),
        |_, one, [first, second]| {
            assert!(one);
            assert!(first <= second, "who sees the first sees the second");
        },
    );
}

#[test]
fn two_requests_with_the_same_limits_in_opposite_orders_wait_for_neither() {
    race(
        three,
        |table| table.take_all(&[A, B], 2),
        |table| table.take_all(&[B, A], 1),
        |table, one, other| {
            assert!(one && other || one != other);
            let [a, b] = [A, B].map(|key| table.spent(key));
            assert_eq!(
                (a - 2, b - 5),
                (2 * u64::from(one) + u64::from(other), 2 * u64::from(one) + u64::from(other))
            );
        },
    );
}

#[test]
fn charges_beside_other_accounts_are_taken_together_or_not_at_all() {
    one_of_two_fits(|table| table.take_all_locked(&[A, B, C], 3));
}

#[test]
fn charges_beside_other_accounts_and_others_on_the_same_keys_both_count() {
    race(
        three,
        |table| table.take_all_locked(&[A, B, A], 1),
        |table| table.take_all(&[B, A], 2),
        |table, one, other| {
            assert!(one && other);
            assert_eq!([A, B].map(|key| table.spent(key)), [6, 8]);
        },
    );
}

#[test]
fn a_peek_beside_a_charge_changes_nothing() {
    race(
        three,
        |table| {
            let charges = [charge(0), charge(1)];
            let keys = [A, C];
            several::take(&table.buckets, &charges, |charge| keys[charge], NOW)
                .is_some_and(|decision| decision.is_allowed())
        },
        |table| table.take(A, 3).fits(),
        |table, one, other| {
            assert!(one && other);
            assert_eq!([A, C].map(|key| table.spent(key)), [5, 3]);
        },
    );
}

#[test]
fn a_reset_and_a_charge_leave_the_charge_or_nothing() {
    race(
        || spent(8),
        |table| table.buckets.reset(X),
        |table| table.take(X, 5).fits(),
        |table, (), other| {
            assert_eq!(table.spent(X), if other { 5 } else { 0 });
            assert_eq!(table.buckets.len(), usize::from(other));
        },
    );
}

/// A table with an account of X that has spent so much.
fn spent(cost: u64) -> Table {
    let table = Table::new();
    table.take(X, cost);
    table
}

/// A table with accounts of A, B and C that have spent 2, 5 and 2.
fn three() -> Table {
    let table = Table::new();
    for (key, cost) in [(A, 2), (B, 5), (C, 2)] {
        table.take(key, cost);
    }
    table
}

fn charge(cost: u64) -> Charge {
    Charge::new("", quota()).cost(cost)
}

const fn quota() -> Quota {
    Quota::per_hour(AMOUNT)
}

const fn key(name: u8) -> Fingerprint {
    let tag = 0x0100_0000_5851_f42d * name as u64;
    // Each with a hint of its own.
    Fingerprint::of(name as u64, tag << 32 | tag)
}

const AMOUNT: u64 = 10;
const NOW: Timestamp = Timestamp::from_ticks(1 << 40);
const X: Fingerprint = key(1);
const Y: Fingerprint = key(2);
const A: Fingerprint = key(3);
const B: Fingerprint = key(4);
const C: Fingerprint = key(5);
const D: Fingerprint = key(6);
const E: Fingerprint = key(7);
const F: Fingerprint = key(8);
