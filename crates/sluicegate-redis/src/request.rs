//! Requests to the script.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::key_names::Kind;

/// One request to the script: accounts of one slot, and an operation on all of them.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) slot: u16,
    pub(crate) lines: SmallVec<[Line; 4]>,
}

/// The operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    /// Takes every line, or none.
    Take { lease: u64 },
    /// Takes one line as a chunk, which is out for this long at most (in microseconds).
    Lend { lease: u64, life: i64 },
    /// Gives back the rest of a bucket's chunk, which made it full at this time at the latest (in microseconds, and a
    /// fraction in ticks).
    GiveBack { lease: u64, floor: [i64; 2] },
    /// Tells how the accounts stand.
    Look,
    /// Replaces what a lease was charged at this time, give or take so much (both in microseconds); and gives back its
    /// slots. It leaves the mark, if there is any, so that it does nothing the second time.
    Settle { lease: u64, taken_at: i64, give_or_take: i64, mark: Option<Arc<str>> },
    /// Lets a lease hold its slots for longer; or writes the mark of the time.
    Renew { lease: u64 },
    /// Forgets the accounts.
    Reset,
}

/// One account, and a row of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) account: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) row: Row,
}

/// The numbers that the script takes with an account. The script documents them at its head.
pub(crate) type Row = [i64; 4];

impl Request {
    /// Returns `true` if it is retried until it is done: wrong spending must not persist.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.verb, Verb::Settle { .. } | Verb::GiveBack { .. })
    }

    /// Returns `true` if it takes slots of concurrent limits.
    pub(crate) fn holds_slots(&self) -> bool {
        self.held().next().is_some()
    }

    /// The request that gives back what this one takes and somebody has to claim: slots, or a bucket's chunk.
    pub(crate) fn release(&self) -> Option<Self> {
        let lease = match self.verb {
            Verb::Take { lease } => lease,
            Verb::Lend { lease, .. } => {
                let of_bucket = |line: &&Line| line.kind == Kind::TokenBucket;
                // Of which nothing was spent: it leaves its bucket as it found it.
                let verb = Verb::GiveBack { lease, floor: [0; 2] };
                let lines: SmallVec<[Line; 4]> = self.lines.iter().filter(of_bucket).cloned().collect();
                return (!lines.is_empty()).then_some(Self { verb, slot: self.slot, lines });
            }
            _ => return None,
        };
        let lines: SmallVec<[Line; 4]> =
            self.held().map(|line| Line { row: [line.row[0], 0, 0, 0], ..line.clone() }).collect();
        let verb = Verb::Settle { lease, taken_at: 0, give_or_take: 0, mark: None };
        (!lines.is_empty()).then_some(Self { verb, slot: self.slot, lines })
    }

    fn held(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.kind == Kind::Concurrent && line.row[0] > 0)
    }
}
