//! A denial that holds for a while.

use std::time::Duration;

use super::bill::Bill;
use crate::{
    Algorithm, Balance, Charge, Cost, Denial, Quota, Timestamp, Unit, Wait, fingerprint::Fingerprint,
    timestamp::duration,
};

/// A denial, and for how long it provably holds.
pub(super) struct Remembered {
    /// Of the bill: tells it from nearly all others at a glance.
    pub(super) place: u64,
    /// Until then the store would deny too.
    pub(super) until: Timestamp,
    /// The time when the store was called: no later than its response.
    sent: Timestamp,
    /// The charge that denies.
    charge: usize,
    /// The epoch of the denying charge's account.
    epoch: u32,
    lines: Box<[Line]>,
}

/// For how long denials are remembered at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) any: Duration,
    /// Those by a unit whose charges are settled.
    pub(super) settled: Duration,
}

/// One charge, as it stood when it was denied.
struct Line {
    fingerprint: Fingerprint,
    quota: Quota,
    cost: Cost,
    balance: Balance,
}

impl Remembered {
    /// The part of a denial that is worth remembering, if any.
    pub(super) fn of(bill: &Bill<'_>, denial: &Denial, sent: Timestamp, caps: Caps) -> Option<Self> {
        let denied = &bill.charges[denial.charge];
        let holds = match denial.wait {
            _ if bill.charges.len() > MOST_CHARGES => return None,
            // When a slot is given back, nobody can tell.
            _ if denied.quota.algorithm() == Algorithm::Concurrent => return None,
            Wait::None | Wait::Release => return None,
            Wait::For(wait) if is_settled(denied.quota.unit()) => wait.min(caps.settled),
            Wait::For(wait) => wait.min(caps.any),
            Wait::Forever => FOREVER.min(caps.any),
        };
        let lines = bill.charges.iter().zip(&bill.fingerprints).zip(&denial.balances);
        let line = |((charge, fingerprint), balance): ((&Charge, &Fingerprint), &Balance)| Line {
            fingerprint: *fingerprint,
            quota: charge.quota,
            cost: charge.cost,
            balance: *balance,
        };
        Some(Self {
            place: bill.place(),
            until: sent + holds,
            sent,
            charge: denial.charge,
            epoch: bill.epochs[denial.charge],
            lines: lines.map(line).collect(),
        })
    }

    /// Returns `true` if it has the same keys and quotas.
    #[inline]
    pub(super) fn is_of(&self, bill: &Bill<'_>, place: u64) -> bool {
        let same = |((line, charge), fingerprint): ((&Line, &Charge), &Fingerprint)| {
            line.fingerprint == *fingerprint && line.quota == charge.quota
        };
        self.place == place
            && self.lines.len() == bill.charges.len()
            && self.lines.iter().zip(bill.charges).zip(&bill.fingerprints).all(same)
    }

    /// Returns `true` if it equals another one in keys and quotas.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |line: &Line| (line.fingerprint, line.quota);
        self.place == other.place && self.lines.iter().map(of).eq(other.lines.iter().map(of))
    }

    /// The denial of a bill of the same keys and quotas, if it provably is one.
    pub(super) fn denial(&self, bill: &Bill<'_>, now: Timestamp) -> Option<Denial> {
        if now >= self.until || bill.epochs[self.charge] != self.epoch {
            return None;
        }
        let balance = |index: usize| {
            let (balance, left) = (&self.lines[index].balance, |time| (self.sent + time).since(now));
            Some(Balance {
                remaining: balance.remaining,
                reset_after: left(balance.reset_after),
                next_after: left(balance.next_after),
                wait: match self.wait(index, bill)? {
                    Wait::For(wait) if left(wait).is_zero() => Wait::None,
                    Wait::For(wait) => Wait::For(left(wait)),
                    wait => wait,
                },
            })
        };
        let balances = (0..self.lines.len()).map(balance).collect::<Option<crate::Balances>>()?;
        let wait = balances[self.charge].wait;
        Some(Denial { charge: self.charge, wait, balances })
    }

    /// The wait of a charge at the time when the store was called; `None` if only the store knows it.
    fn wait(&self, index: usize, bill: &Bill<'_>) -> Option<Wait> {
        let Line { quota, cost, balance, .. } = &self.lines[index];
        let asked = bill.charges[index].cost;
        if asked == *cost {
            return Some(balance.wait);
        }
        let alone =
            (0..self.lines.len()).all(|other| other == self.charge || !bill.same_account(other, self.charge));
        match balance.wait {
            _ if !alone => None,
            _ if index != self.charge => (asked.units() <= balance.remaining).then_some(Wait::None),
            // A bucket alone can tell what a greater cost waits for.
            Wait::For(wait) if quota.algorithm() == Algorithm::TokenBucket && asked > *cost => {
                let more = quota.worth(asked.units()).saturating_sub(quota.worth(cost.units()));
                quota.can_hold(asked).then(|| Wait::For(wait + duration(more)))
            }
            Wait::Forever if asked > *cost => Some(Wait::Forever),
            _ => None,
        }
    }
}

/// Returns `true` if charges of this unit are estimates, which settlements outside this cache may refund.
const fn is_settled(unit: Unit) -> bool {
    match unit {
        Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::Usd => true,
        Unit::Requests | Unit::Items | Unit::Bytes | Unit::Concurrent => false,
    }
}

/// A request of more charges than this is not remembered.
const MOST_CHARGES: usize = 8;
/// The maximum memory of charges that never fit. They depend on nothing but quota and cost, and yet need not
/// be remembered for ever.
const FOREVER: Duration = Duration::from_secs(1);
