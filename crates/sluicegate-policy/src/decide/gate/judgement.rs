//! The judgement of each limit on a request.

use sluicegate::{Balance, Charge, Store, Timestamp};

use super::{Denied, Pass};
use crate::{Actual, LimitId};

/// The judgement of one limit on a request. The charge fitted if [`Balance::wait`] says so.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// The limit.
    pub limit: LimitId,
    /// The charge. It was taken if the request was admitted and the charge fitted.
    pub charge: &'a Charge,
    /// The account after that.
    pub balance: &'a Balance,
    /// The time of the decision, as [`Taken::at`](sluicegate::Taken::at).
    pub at: Timestamp,
}

impl<S: Store> Pass<S> {
    /// The judgements on an admitted request: those of the enforced limits in their order, and those of the limits in shadow
    /// mode, each of which decided for itself.
    ///
    /// A limit in shadow mode whose store did not answer is left out.
    pub fn judgements(&self) -> impl Iterator<Item = Judgement<'_>> {
        let taken =
            self.decided_at().into_iter().map(|at| (&self.limits[..], self.charges(), self.balances(), at));
        let in_shadow = self.shadow.iter().map(|(limit, permit)| {
            (std::slice::from_ref(limit), permit.charges(), permit.balances(), permit.at())
        });
        let allowed = taken.chain(in_shadow).flat_map(|(limits, charges, balances, at)| {
            let rows = limits.iter().zip(charges).zip(balances);
            rows.map(move |((limit, charge), balance)| Judgement { limit: *limit, charge, balance, at })
        });
        let denied = self.denied_in_shadow().iter().zip(&self.shadow_denials);
        allowed.chain(denied.filter_map(|(limit, (charge, denial))| {
            Some(Judgement { limit: *limit, charge, balance: denial.balances.first()?, at: denial.at })
        }))
    }

    /// The time at which the enforced limits decided. `None` if there are none, or the store is not to be asked.
    #[must_use]
    pub fn decided_at(&self) -> Option<Timestamp> {
        let of_share = || self.share.as_ref().map(|share| share.at);
        self.permit.as_ref().map(sluicegate::Permit::at).or_else(of_share)
    }

    /// The last tokens that were taken while the answer came, by limit, and the time at which they were taken.
    pub fn last_extension(&self) -> Option<(Timestamp, impl Iterator<Item = (LimitId, &Charge)>)> {
        let step = self.extensions.last()?;
        let charges = step.charges().iter().filter_map(|charge| {
            let place = self.charges().iter().position(|known| known.key == charge.key)?;
            Some((self.limits[place], charge))
        });
        Some((step.at(), charges))
    }

    /// Returns what each limit of tokens is charged in the end, if [`settle_tokens`](Self::settle_tokens) settles this usage.
    /// It replaces the limit's charge and all that was taken in addition.
    pub fn settled_tokens(&self, actual: &Actual) -> impl Iterator<Item = (LimitId, sluicegate::Cost)> {
        let enforced = self.limits.iter().copied().zip(self.charges());
        let in_shadow = self
            .shadow
            .iter()
            .flat_map(|(limit, permit)| permit.charges().iter().map(|charge| (*limit, charge)));
        enforced.chain(in_shadow).filter_map(|(limit, charge)| {
            let taken = super::pass::taken(&self.extensions, charge);
            let cost = self.reservation.as_ref()?.cost(limit, charge, taken, actual)?;
            Some((limit, self.at_most_all(charge, cost)))
        })
    }
}

impl Denied {
    /// The judgements on a denied request, of which nothing was charged.
    pub fn judgements(&self) -> impl Iterator<Item = Judgement<'_>> {
        let rows = self.limits.iter().zip(&self.charges).zip(&self.denial.balances);
        rows.map(|((limit, charge), balance)| Judgement {
            limit: *limit,
            charge,
            balance,
            at: self.denial.at,
        })
    }

    /// The time of the decision.
    #[must_use]
    pub fn decided_at(&self) -> Timestamp {
        self.denial.at
    }
}
