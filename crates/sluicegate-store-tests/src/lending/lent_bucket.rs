//! A token bucket that knows the chunks that are out.

use std::time::Duration;

use sluicegate::{Cost, Quota, Remainder, Timestamp, accounts::TokenBucket};

/// A token bucket, some of whose units are lent in chunks: the arithmetic of a [`Lender`](sluicegate::Lender)'s account.
///
/// The bucket is charged for a chunk when it is lent, and never fuller than its burst less all that is out. So its
/// theoretical arrival time is at least now and the worth of every chunk. It earns nothing back meanwhile that a
/// holder could spend on top of a full bucket.
#[derive(Clone, Debug, Default)]
pub struct LentBucket {
    /// The theoretical arrival time, before what the chunks that are out make of it.
    full_at: u64,
    /// In the order of their ends.
    chunks: Vec<Out>,
}

/// A chunk that is out.
#[derive(Clone, Copy, Debug)]
struct Out {
    id: u64,
    worth: u64,
    ends: u64,
}

impl LentBucket {
    /// The bucket as it stands.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> TokenBucket {
        TokenBucket::full_at(Timestamp::from_ticks(self.at_least(now)))
    }

    /// The bucket as it stands for a charge of this worth that it denies now, under a quota of this tolerance. It is full
    /// as late as makes the wait exact, though it earns nothing back while chunks are out.
    #[must_use]
    pub fn denying(&self, worth: u64, tolerance: u64, now: Timestamp) -> TokenBucket {
        let (mut at, mut out) = (self.at_least(now), self.out());
        for chunk in &self.chunks {
            let fits_at = at.saturating_add(worth).saturating_sub(tolerance);
            if out.saturating_add(worth) <= tolerance && fits_at <= chunk.ends {
                break;
            }
            at = at.max(chunk.ends.saturating_add(out));
            out -= chunk.worth;
        }
        TokenBucket::full_at(Timestamp::from_ticks(at))
    }

    /// Forgets chunks that have ended.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(chunk) = self.chunks.first().filter(|chunk| chunk.ends <= now.ticks()) {
            self.full_at = self.full_at.max(chunk.ends.saturating_add(self.out()));
            self.chunks.remove(0);
        }
    }

    /// Charges so much, whether it fits or not.
    pub fn charge(&mut self, worth: u64, now: Timestamp) {
        self.full_at = self.at_least(now).max(now.ticks()).saturating_add(worth);
    }

    /// Gives so much back.
    pub fn refund(&mut self, worth: u64) {
        self.full_at = self.full_at.saturating_sub(worth);
    }

    /// Charges a chunk that fits, and notes that it is out; its worth in whole steps of so many ticks.
    pub fn lend(&mut self, id: u64, worth: u64, step: u64, life: Duration, now: Timestamp) {
        self.charge(worth, now);
        let ends = (now + life).ticks();
        let place = self.chunks.partition_point(|chunk| chunk.ends <= ends);
        self.chunks.insert(place, Out { id, worth: worth.div_ceil(step).saturating_mul(step), ends });
    }

    /// Takes back the rest of a chunk of this amount, if it is still out.
    pub fn take_back(&mut self, id: u64, quota: &Quota, amount: Cost, rest: Remainder, now: Timestamp) {
        let Some(place) = self.chunks.iter().position(|chunk| chunk.id == id) else { return };
        // With others out, nobody knows how much was out when.
        let floor =
            if self.chunks.len() == 1 { rest.floor.ticks() } else { now.ticks().saturating_add(self.out()) };
        self.full_at = self.full_at.max(floor);
        let spent = amount.units().saturating_sub(rest.left.units());
        self.refund(quota.worth(amount.units()).saturating_sub(quota.worth(spent)));
        self.chunks.remove(place);
    }

    /// Forgets what was spent. What is out stays out.
    pub fn reset(&mut self) {
        self.full_at = 0;
    }

    fn at_least(&self, now: Timestamp) -> u64 {
        if self.chunks.is_empty() {
            return self.full_at;
        }
        self.full_at.max(now.ticks().saturating_add(self.out()))
    }

    fn out(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.worth).fold(0, u64::saturating_add)
    }
}
