//! A slow, obviously correct model of a store, for tests to compare with.

mod book;
mod bucket;
mod counter;
mod fading;
mod log;
mod slots;

use std::collections::HashMap;

use sluicegate::{Algorithm, Charge, Cost, Key, Lease};

use book::Book;
pub use book::{Due, Moment};

/// The books of a store, kept in exact fractions and plain loops, from what the store admitted.
///
/// Its judgement is a range, because a store may round up to its clock's step, and because nobody outside knows the
/// very moment at which a store decides. Where a clock stands still and every unit is worth whole ticks, the range
/// is a single answer.
#[derive(Debug)]
pub struct Oracle {
    tick: u64,
    books: HashMap<(Key, Algorithm), Box<dyn Book>>,
}

impl Oracle {
    /// The books of a store in which nothing was spent, and whose clock has this step.
    #[must_use]
    pub fn new(tick: u64) -> Self {
        Self { tick, books: HashMap::new() }
    }

    /// Computes when each charge of a request fits, if it is judged within `moment`.
    #[must_use]
    pub fn judge(&self, charges: &[Charge], moment: Moment) -> Vec<Due> {
        let due = |index: usize| {
            let charge = &charges[index];
            if charge.cost.is_zero() {
                return Due::NOW;
            }
            let mut costs: Vec<Cost> = Vec::new();
            for earlier in charges[..=index].iter().filter(|earlier| account(earlier) == account(charge)) {
                costs.push(earlier.cost);
            }
            self.due(charge, &costs, moment)
        };
        (0..charges.len()).map(due).collect()
    }

    /// Computes when charges of these costs on one account fit together.
    #[must_use]
    pub fn due(&self, charge: &Charge, costs: &[Cost], moment: Moment) -> Due {
        let units: u64 = costs.iter().map(|cost| cost.units()).sum();
        if units > charge.quota.burst_size() {
            return Due::Never;
        }
        match self.books.get(&account(charge)) {
            Some(book) => moment.see(|now| book.due(&charge.quota, costs, now)),
            None => Due::NOW,
        }
    }

    /// Computes when the account is full again: the minimum and maximum number of ticks.
    #[must_use]
    pub fn full(&self, charge: &Charge, moment: Moment) -> Due {
        let book = self.books.get(&account(charge));
        book.map_or(Due::NOW, |book| moment.see(|now| book.full(&charge.quota, now)))
    }

    /// The store admitted these charges.
    pub fn charge(&mut self, charges: &[Charge], lease: Lease) {
        for charge in charges.iter().filter(|charge| !charge.cost.is_zero()) {
            self.book(charge).charge(&charge.quota, charge.cost, lease);
        }
    }

    /// The store settled these charges within `moment`.
    pub fn settle(&mut self, charges: &[Charge], lease: Lease, actual: &[Cost], moment: Moment) {
        for (index, charge) in charges.iter().enumerate() {
            let actual = actual.get(index).copied().unwrap_or(charge.cost);
            if actual == charge.cost && charge.quota.algorithm() != Algorithm::Concurrent {
                continue;
            }
            self.book(charge).settle(&charge.quota, [charge.cost, actual], lease, moment);
        }
    }

    /// The store gave back the slots of this lease.
    pub fn release(&mut self, charges: &[Charge], lease: Lease, moment: Moment) {
        for charge in charges.iter().filter(|charge| charge.quota.algorithm() == Algorithm::Concurrent) {
            self.book(charge).settle(&charge.quota, [charge.cost, charge.cost], lease, moment);
        }
    }

    /// The store forgot these accounts.
    pub fn reset(&mut self, accounts: &[Charge]) {
        for forgotten in accounts {
            self.books.remove(&account(forgotten));
        }
    }

    fn book(&mut self, charge: &Charge) -> &mut dyn Book {
        let tick = self.tick;
        let book = self.books.entry(account(charge)).or_insert_with(|| match charge.quota.algorithm() {
            Algorithm::TokenBucket => Box::new(bucket::Bucket::new(tick)),
            Algorithm::FixedWindow => Box::<counter::Counter>::default(),
            Algorithm::SlidingWindow => Box::<fading::Fading>::default(),
            Algorithm::SlidingLog => Box::<log::Log>::default(),
            Algorithm::Concurrent => Box::<slots::Slots>::default(),
        });
        &mut **book
    }
}

fn account(charge: &Charge) -> (Key, Algorithm) {
    (charge.key.clone(), charge.quota.algorithm())
}
