//! The charges of one request, judged together.

use smallvec::SmallVec;

use super::{AnyAccount, Standing};
use crate::{Algorithm, Balance, Charge, Cost, Decision, Denial, Lease, Taken, Timestamp, Wait};

/// The accounts that a request is charged on, each known by the place of its charge.
pub trait Books {
    /// Returns `true` if two charges are on one account.
    fn same_account(&self, charge: usize, other: usize) -> bool;

    /// Computes the state after taking `cost` from a charge's account.
    fn judge(&self, charge: usize, cost: Cost) -> Standing;

    /// The same, once the `earlier` charges of the request are taken from the same account.
    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing;
}

/// The verdict on a request: the standing of each of its charges, and the charge that denies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    standings: SmallVec<[Standing; 4]>,
    denied: Option<(usize, Wait)>,
}

impl Verdict {
    /// Judges all charges of a request. Two on one account are judged as if one came after the other.
    pub fn of(charges: &[Charge], books: &impl Books) -> Self {
        let mut standings: SmallVec<[Standing; 4]> = SmallVec::with_capacity(charges.len());
        let mut denied: Option<(usize, Wait)> = None;
        for (index, charge) in charges.iter().enumerate() {
            let earlier = || {
                (0..index)
                    .filter(|earlier| books.same_account(*earlier, index))
                    .map(|earlier| &charges[earlier])
            };
            let standing = match (earlier().next(), charge.quota.algorithm()) {
                (None, _) => books.judge(index, charge.cost),
                (Some(_), algorithm) if algorithm == Algorithm::TokenBucket || charge.cost.is_zero() => {
                    let standing = books.judge_after(&mut earlier(), index, charge.cost);
                    not_beyond_burst(standing, charge, earlier())
                }
                // Where counts fade or end with their window, two charges taken together wait for their sum, which
                // is longer than the second would wait for a first that is taken now.
                (Some(_), _) => books.judge(index, sum(earlier(), charge.cost)),
            };
            let wait = Balance::from(standing).wait;
            if wait > denied.map_or(Wait::None, |(_, wait)| wait) {
                denied = Some((index, wait));
            }
            standings.push(standing);
        }
        if denied.is_some() {
            // Nothing is charged, so every account stands as a peek would find it.
            for (index, standing) in standings.iter_mut().enumerate() {
                *standing = Standing { wait: standing.wait, ..books.judge(index, Cost::ZERO) };
            }
        }
        Self { standings, denied }
    }

    /// The same verdict with all times rounded up to steps of so many ticks: those of the clock of a store that
    /// cannot tell nearer moments apart.
    #[must_use]
    pub fn in_steps_of(mut self, ticks: u64) -> Self {
        for standing in &mut self.standings {
            *standing = standing.in_steps_of(ticks);
        }
        if let Some((charge, wait)) = &mut self.denied {
            *wait = Balance::from(self.standings[*charge]).wait;
        }
        self
    }

    /// Returns `true` if every charge fits.
    #[must_use]
    pub const fn admits(&self) -> bool {
        self.denied.is_none()
    }

    /// The decision, at the time of `lease`, which is what was taken if it admits.
    pub fn decision(&self, lease: Lease) -> Decision<Taken> {
        let balances = self.standings.iter().map(|standing| Balance::from(*standing)).collect();
        match self.denied {
            None => Decision::Allow(Taken { balances, lease, at: lease.taken_at }),
            Some((charge, wait)) => Decision::Deny(Denial { charge, wait, balances, at: lease.taken_at }),
        }
    }
}

/// The accounts that a request is charged on, as a remote store returned them. The decision is worked out from them
/// here, by the same code as in memory.
#[derive(Clone, Debug)]
pub struct Snapshot<'c> {
    charges: &'c [Charge],
    accounts: SmallVec<[(AnyAccount, Timestamp); 4]>,
}

impl<'c> Snapshot<'c> {
    /// The charges of a request, and for each its account before the request and the time at which the store looked at it.
    pub fn new(charges: &'c [Charge], accounts: impl IntoIterator<Item = (AnyAccount, Timestamp)>) -> Self {
        Self { charges, accounts: accounts.into_iter().collect() }
    }
}

impl Books for Snapshot<'_> {
    fn same_account(&self, charge: usize, other: usize) -> bool {
        let of = |index: usize| (&self.charges[index].key, self.charges[index].quota.algorithm());
        of(charge) == of(other)
    }

    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        let (account, now) = &self.accounts[charge];
        account.judge(&self.charges[charge].quota, cost, *now)
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let (mut account, now) = self.accounts[charge].clone();
        for charge in earlier {
            account.charge(&charge.quota, charge.cost, now);
        }
        account.judge(&self.charges[charge].quota, cost, now)
    }
}

/// Two charges that each fit into a full account, but not together, never fit.
fn not_beyond_burst<'a>(
    standing: Standing,
    charge: &Charge,
    earlier: impl Iterator<Item = &'a Charge>,
) -> Standing {
    let together = sum(earlier.filter(|earlier| earlier.quota == charge.quota), charge.cost);
    if charge.cost.is_zero() || charge.quota.can_hold(together) {
        standing
    } else {
        Standing { wait: Standing::FOREVER, ..standing }
    }
}

fn sum<'a>(earlier: impl Iterator<Item = &'a Charge>, cost: Cost) -> Cost {
    Cost::new(earlier.fold(cost.units(), |sum, charge| sum.saturating_add(charge.cost.units())))
}
