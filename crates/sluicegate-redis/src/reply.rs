//! Replies of the script.

use redis::Value;
use sluicegate::{
    Charge, Cost, Timestamp,
    accounts::{AnyAccount, FixedWindow, SlidingLog, SlidingWindow, Slots, TokenBucket},
};
use sluicegate_remote::unix_time::timestamp;
use smallvec::SmallVec;

use crate::{
    key_names::Kind,
    request::{Request, Verb},
};

/// The script's reply to one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// It was executed or denied at this time (in microseconds since 1970), with the state of the accounts before it.
    Done { now: u64, admitted: bool, numbers: SmallVec<[u64; 8]> },
    /// A settlement that is queued until there is a connection.
    Queued,
    /// The keys hold data of another program.
    Foreign(String),
}

/// The replies to a batch, read one after the other.
pub(crate) struct Replies {
    now: u64,
    values: Values,
}

/// The return value of a script.
enum Values {
    /// Numbers, and texts where the keys hold data of another program.
    List(std::vec::IntoIter<Value>),
    /// Numbers alone, as doubles.
    Packed { bytes: Vec<u8>, read: usize },
}

impl Replies {
    /// The replies in the script's return value; `None` if it is malformed.
    pub(crate) fn of(value: Value) -> Option<Self> {
        let mut values = match value {
            Value::Array(values) => Values::List(values.into_iter()),
            Value::BulkString(bytes) => Values::Packed { bytes, read: 0 },
            _ => return None,
        };
        Some(Self { now: values.number()?, values })
    }

    /// Returns the time of the decision, in microseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Reads the reply to the next request.
    pub(crate) fn next(&mut self, request: &Request) -> Option<Reply> {
        let admitted = match self.values.number()? {
            0 => false,
            1 => true,
            _ => return self.values.text().map(Reply::Foreign),
        };
        let mut numbers = SmallVec::new();
        if matches!(request.verb, Verb::Take { .. } | Verb::Lend { .. } | Verb::Look) {
            for line in &request.lines {
                let count = match line.kind {
                    Kind::Concurrent | Kind::Mark => 1,
                    Kind::TokenBucket => 2,
                    Kind::FixedWindow => 3,
                    Kind::SlidingWindow => 4,
                    Kind::SlidingLog => {
                        let charges = self.values.number()?;
                        numbers.push(charges);
                        usize::try_from(charges).ok()?.checked_mul(2)? + 1
                    }
                };
                for _ in 0..count {
                    numbers.push(self.values.number()?);
                }
            }
        }
        Some(Reply::Done { now: self.now, admitted, numbers })
    }
}

impl Values {
    fn number(&mut self) -> Option<u64> {
        match self {
            Self::List(values) => match values.next()? {
                Value::Int(number) => u64::try_from(number).ok(),
                _ => None,
            },
            Self::Packed { bytes, read } => {
                let double = bytes.get(*read..)?.first_chunk()?;
                *read += double.len();
                whole(f64::from_le_bytes(*double))
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        match self {
            Self::List(values) => match values.next()? {
                Value::BulkString(text) => Some(String::from_utf8_lossy(&text).into_owned()),
                _ => None,
            },
            Self::Packed { .. } => None,
        }
    }
}

/// The whole number that a double holds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked, and the script rounds nothing"
)]
fn whole(double: f64) -> Option<u64> {
    const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;
    (0.0..=MOST_WHOLE).contains(&double).then_some(double as u64)
}

/// The accounts of a request's lines, from the numbers in its reply. Each line comes with one of its charges.
pub(crate) fn accounts<'c>(
    lines: impl Iterator<Item = (Kind, &'c Charge)>,
    numbers: &[u64],
) -> Option<SmallVec<[AnyAccount; 4]>> {
    let mut numbers = numbers.iter().copied();
    lines.map(|(kind, charge)| account(kind, charge, &mut numbers)).collect()
}

fn account(kind: Kind, charge: &Charge, numbers: &mut impl Iterator<Item = u64>) -> Option<AnyAccount> {
    let quota = &charge.quota;
    Some(match kind {
        Kind::TokenBucket => {
            let (at, fraction) = (timestamp(numbers.next()?), numbers.next()?);
            AnyAccount::TokenBucket(TokenBucket::full_at(Timestamp::from_ticks(
                at.ticks().saturating_add(fraction),
            )))
        }
        Kind::FixedWindow => {
            let (ends, count, idle_at) = (numbers.next()?, numbers.next()?, numbers.next()?);
            AnyAccount::FixedWindow(FixedWindow::of(quota, timestamp(ends), count, timestamp(idle_at)))
        }
        Kind::SlidingWindow => {
            let begins = timestamp(numbers.next()?);
            let counts = [numbers.next()?, numbers.next()?];
            let idle_at = timestamp(numbers.next()?);
            AnyAccount::SlidingWindow(SlidingWindow::of(quota, begins, counts, idle_at))
        }
        Kind::SlidingLog => {
            let mut charges = Vec::new();
            for _ in 0..numbers.next()? {
                charges.push((timestamp(numbers.next()?), Cost::new(numbers.next()?)));
            }
            AnyAccount::SlidingLog(SlidingLog::of(quota, charges, timestamp(numbers.next()?)))
        }
        Kind::Concurrent => AnyAccount::Concurrent(Slots::held(numbers.next()?)),
        Kind::Mark => return None,
    })
}
