//! An instance's shares of a request's charges.

use std::num::NonZeroU32;

use smallvec::SmallVec;

use super::local_store::full;
use crate::{Balance, Balances, Charge, Cost};

/// The charges of a request that memory takes, on one instance's share of their quotas.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// Each one's place in the request.
    pub(super) places: SmallVec<[usize; 4]>,
    /// The charges that must fit for the request to pass.
    pub(super) charges: SmallVec<[Charge; 4]>,
    /// The costs of the request if it passes.
    pub(super) costs: SmallVec<[Cost; 4]>,
}

impl Shares {
    /// Returns the shares of the charges at these places.
    pub(super) fn of(charges: &[Charge], places: impl Iterator<Item = usize>, replicas: NonZeroU32) -> Self {
        let mut shares = Self::default();
        for place in places {
            let charge = &charges[place];
            let on_the_same_account = |other: &Charge| {
                other.key == charge.key && other.quota.algorithm() == charge.quota.algorithm()
            };
            let sum = |charges: &[Charge]| {
                let units =
                    charges.iter().filter(|other| on_the_same_account(other)).map(|other| other.cost.units());
                units.fold(0, u64::saturating_add)
            };
            let quota = charge.quota.shared(replicas);
            // What the whole quota holds must not be told that it can never pass: all that the share holds must be there,
            // and what the request costs beyond it is a debt.
            let holds = charge.quota.can_hold(Cost::new(sum(&charges[..=place])));
            let room = Cost::new(quota.burst_size().saturating_sub(sum(&shares.charges)));
            let cost = if holds { charge.cost.min(room) } else { charge.cost };
            shares.places.push(place);
            shares.charges.push(Charge { quota, ..charge.clone() }.cost(cost));
            shares.costs.push(charge.cost);
        }
        shares
    }

    /// Returns a balance for each of the request's charges: these, and full accounts for the others.
    pub(super) fn among(&self, charges: &[Charge], balances: &[Balance]) -> Balances {
        let mut all: Balances = charges.iter().map(|charge| full(&charge.quota)).collect();
        for (place, balance) in self.places.iter().zip(balances) {
            all[*place] = *balance;
        }
        all
    }
}
