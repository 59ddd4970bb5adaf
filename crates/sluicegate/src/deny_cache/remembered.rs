//! A denial that holds for a while.

use std::time::Duration;

use super::hashed_charges::HashedCharges;
use crate::{
    Algorithm, Balance, Charge, Cost, Denial, Quota, Timestamp, Unit, Wait, fingerprint::Fingerprint,
    timestamp::duration,
};

/// A denial, and for how long it provably holds.
pub(super) struct Remembered {
    /// The place of the charges, which distinguishes it from nearly all others.
    pub(super) place: u64,
    /// Until then the store would deny too.
    pub(super) until: Timestamp,
    /// The time when the store was called: no later than its response.
    sent: Timestamp,
    /// The charge that denies.
    charge: usize,
    /// The epoch of the denying charge's account.
    epoch: u32,
    charges: Box<[DeniedCharge]>,
}

/// For how long denials are remembered at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) any: Duration,
    /// Those by a unit whose charges are settled.
    pub(super) settled: Duration,
}

/// One charge, as it stood when it was denied.
struct DeniedCharge {
    fingerprint: Fingerprint,
    quota: Quota,
    cost: Cost,
    balance: Balance,
}

impl Remembered {
    /// The part of a denial that is worth remembering, if any.
    pub(super) fn of(
        hashed: &HashedCharges<'_>,
        denial: &Denial,
        sent: Timestamp,
        caps: Caps,
    ) -> Option<Self> {
        let denied = &hashed.charges[denial.charge];
        let holds = match denial.wait {
            _ if hashed.charges.len() > MOST_CHARGES => return None,
            // When a slot is given back, nobody can tell.
            _ if denied.quota.algorithm() == Algorithm::Concurrent => return None,
            Wait::None | Wait::Release => return None,
            Wait::For(wait) if is_settled(denied.quota.unit()) => wait.min(caps.settled),
            Wait::For(wait) => wait.min(caps.any),
            Wait::Forever => FOREVER.min(caps.any),
        };
        let charges = hashed.charges.iter().zip(&hashed.fingerprints).zip(&denial.balances);
        let line = |((charge, fingerprint), balance): ((&Charge, &Fingerprint), &Balance)| DeniedCharge {
            fingerprint: *fingerprint,
            quota: charge.quota,
            cost: charge.cost,
            balance: *balance,
        };
        Some(Self {
            place: hashed.place(),
            until: sent + holds,
            sent,
            charge: denial.charge,
            epoch: hashed.epochs[denial.charge],
            charges: charges.map(line).collect(),
        })
    }

    /// Returns `true` if it has the same keys and quotas.
    #[inline]
    pub(super) fn is_of(&self, hashed: &HashedCharges<'_>, place: u64) -> bool {
        let same = |((line, charge), fingerprint): ((&DeniedCharge, &Charge), &Fingerprint)| {
            line.fingerprint == *fingerprint && line.quota == charge.quota
        };
        self.place == place
            && self.charges.len() == hashed.charges.len()
            && self.charges.iter().zip(hashed.charges).zip(&hashed.fingerprints).all(same)
    }

    /// Returns `true` if it equals another one in keys and quotas.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |line: &DeniedCharge| (line.fingerprint, line.quota);
        self.place == other.place && self.charges.iter().map(of).eq(other.charges.iter().map(of))
    }

    /// Returns the denial of charges on the same keys and quotas, if they would provably be denied.
    pub(super) fn denial(&self, hashed: &HashedCharges<'_>, now: Timestamp) -> Option<Denial> {
        if now >= self.until || hashed.epochs[self.charge] != self.epoch {
            return None;
        }
        let balance = |index: usize| {
            let (balance, left) = (&self.charges[index].balance, |time| (self.sent + time).since(now));
            Some(Balance {
                remaining: balance.remaining,
                reset_after: left(balance.reset_after),
                next_after: left(balance.next_after),
                wait: match self.wait(index, hashed)? {
                    Wait::For(wait) if left(wait).is_zero() => Wait::None,
                    Wait::For(wait) => Wait::For(left(wait)),
                    wait => wait,
                },
            })
        };
        let balances = (0..self.charges.len()).map(balance).collect::<Option<crate::Balances>>()?;
        let wait = balances[self.charge].wait;
        Some(Denial { charge: self.charge, wait, balances, at: now })
    }

    /// The wait of a charge at the time when the store was called; `None` if only the store knows it.
    fn wait(&self, index: usize, hashed: &HashedCharges<'_>) -> Option<Wait> {
        let DeniedCharge { quota, cost, balance, .. } = &self.charges[index];
        let asked = hashed.charges[index].cost;
        if asked == *cost {
            return Some(balance.wait);
        }
        let alone = (0..self.charges.len())
            .all(|other| other == self.charge || !hashed.same_account(other, self.charge));
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
