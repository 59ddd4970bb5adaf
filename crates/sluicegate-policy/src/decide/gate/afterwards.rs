//! Usage that has happened, of requests whose passes are gone.

use sluicegate::{Charge, Cost, Decision, Resilient, StoreError};
use smallvec::SmallVec;

use super::{Gate, Pass, Visit, pass::Share};
use crate::LimitId;

impl<S: Resilient> Gate<S> {
    /// Charges what a request has used, whatever is left. What is beyond a limit is a debt that later requests wait for.
    ///
    /// # Errors
    ///
    /// If the store does not respond: nobody knows if the usage was charged. Limits in shadow mode fail nothing.
    pub async fn charge_actual(&self, visit: &Visit<'_>) -> Result<Box<Pass<S>>, StoreError> {
        let bill = self.bill(visit, None);
        let mut pass = Box::new(Pass::new(visit, bill.scale, self.policy.routes.get(visit.route()).costs));
        if let Some(share) = self.charge_all(&bill.limits, &bill.charges).await? {
            pass.shared(bill.limits, share);
        }
        for (id, charge) in bill.shadow {
            // A shadow limit only records, and its books are as good as its store.
            drop(self.charge_all(&[id], std::slice::from_ref(&charge)).await);
        }
        Ok(pass)
    }

    /// Gives back to the accounts of a request what it, or one like it, was charged before.
    /// [At most](sluicegate::Limiter::refund) what was spent comes back.
    ///
    /// # Errors
    ///
    /// If the store does not respond: nobody knows if anything was given back. Limits in shadow mode fail nothing.
    pub async fn refund(&self, visit: &Visit<'_>) -> Result<(), StoreError> {
        let bill = self.bill(visit, None);
        let refunded = if bill.charges.is_empty() {
            Ok(())
        } else {
            self.limiter.refund(&bill.charges, |place| self.outage(bill.limits[place])).await
        };
        for (id, charge) in bill.shadow {
            drop(self.limiter.refund(std::slice::from_ref(&charge), |_| self.outage(id)).await);
        }
        refunded
    }

    /// Charges all of these, and returns them with the balances after that.
    async fn charge_all(&self, limits: &[LimitId], charges: &[Charge]) -> Result<Option<Share>, StoreError> {
        if charges.is_empty() {
            return Ok(None);
        }
        // Nothing is asked of the accounts before, so none denies.
        let peeks: SmallVec<[Charge; 2]> =
            charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect();
        let taken = self.limiter.take_or(&peeks, |place| self.outage(limits[place])).await?;
        let Decision::Allow(permit) = taken else { return Ok(None) };
        let left = permit.balances().iter().zip(charges).map(|(balance, charge)| {
            let remaining = balance.remaining.saturating_sub(charge.cost.units());
            sluicegate::Balance { remaining, ..*balance }
        });
        let share = Share { balances: left.collect(), charges: charges.into(), at: permit.at() };
        let costs: SmallVec<[Cost; 2]> = charges.iter().map(|charge| charge.cost).collect();
        permit.settle(&costs).await?;
        Ok(Some(share))
    }
}
