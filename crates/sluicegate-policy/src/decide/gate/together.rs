//! Several requests, admitted together or not at all.

use std::ops::Range;

use sluicegate::{Balance, Balances, Charge, Cost, Decision, Denial, Resilient, Store, Timestamp, Wait};
use smallvec::SmallVec;

use super::{Gate, Pass, Rejection, Visit, bill::Bill, pass::Share};
use crate::LimitId;

/// The outcome of one of several requests that are admitted together or not at all.
#[derive(Debug)]
pub enum Together<S: Store> {
    /// All of them are admitted.
    Admitted(Box<Pass<S>>),
    /// This one is not, so none of them is.
    Rejected(Rejection),
    /// This one would be admitted, and another is not. Nothing was charged.
    Spared(Box<Spared>),
}

/// A request that would be admitted.
#[derive(Debug, Default)]
pub struct Spared {
    limits: SmallVec<[LimitId; 2]>,
    charges: SmallVec<[Charge; 2]>,
    balances: Balances,
}

impl Spared {
    /// All limits that judged the request.
    #[must_use]
    pub fn limits(&self) -> &[LimitId] {
        &self.limits
    }

    /// The charges that it would have taken, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// The balance of each, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }
}

/// The bills of all requests, and the place of each one's charges among all.
struct Bills {
    rows: Vec<(Bill, Range<usize>)>,
    limits: SmallVec<[LimitId; 4]>,
    charges: SmallVec<[Charge; 4]>,
}

impl<S: Resilient> Gate<S> {
    /// [`decide`](Self::decide) for several requests at once, none of which has a body: takes the charges of all, or none.
    ///
    /// A request that costs 0 is denied by a limit of which nothing is left. What it asks for is the moment when another
    /// unit can be spent.
    pub async fn decide_together(&self, visits: &[Visit<'_>]) -> Vec<Together<S>> {
        let bills = Bills::of(visits.iter().map(|visit| self.bill(visit, None)));
        if bills.charges.is_empty() {
            return self.admitted(visits, bills, &Balances::new(), Timestamp::EPOCH).await;
        }
        match self.limiter.take_or(&bills.charges, |place| self.outage(bills.limits[place])).await {
            Err(error) => {
                let mut error = Some(error);
                let unanswered = |visit: &Visit<'_>| match error.take() {
                    Some(error) => visit.unanswered(error),
                    None => visit.refused(crate::Refusal::StoreUnavailable),
                };
                visits.iter().map(unanswered).map(Together::Rejected).collect()
            }
            Ok(Decision::Deny(denial)) => bills.denied(visits, &denial.balances, denial.at),
            Ok(Decision::Allow(permit)) => {
                let mut balances: Balances = permit.balances().iter().copied().collect();
                if !look(&bills.charges, &mut balances) {
                    let at = permit.at();
                    return self.admitted(visits, bills, &balances, at).await;
                }
                let at = permit.at();
                let nothing: SmallVec<[Cost; 4]> = bills.charges.iter().map(|_| Cost::ZERO).collect();
                for (charge, balance) in bills.charges.iter().zip(balances.iter_mut()) {
                    balance.remaining = balance.remaining.saturating_add(charge.cost.units());
                }
                // Where it fails, the store carries it later, or what was taken stays so, as after any lost answer.
                if bills.charges.iter().any(|charge| !charge.cost.is_zero()) {
                    drop(permit.settle(&nothing).await);
                }
                bills.denied(visits, &balances, at)
            }
        }
    }

    async fn admitted(
        &self,
        visits: &[Visit<'_>],
        bills: Bills,
        balances: &Balances,
        at: Timestamp,
    ) -> Vec<Together<S>> {
        let mut admitted = Vec::with_capacity(visits.len());
        for (visit, (bill, places)) in visits.iter().zip(bills.rows) {
            let costs = self.policy.routes.get(visit.route()).costs;
            let mut pass = Box::new(Pass::new(visit, bill.scale, costs));
            if !bill.charges.is_empty() {
                let balances = balances[places].iter().copied().collect();
                pass.shared(bill.limits, Share { charges: bill.charges, balances, at });
            }
            for (id, charge) in bill.shadow {
                self.take_shadow(&mut pass, id, charge).await;
            }
            admitted.push(Together::Admitted(pass));
        }
        admitted
    }
}

impl Bills {
    fn of(bills: impl Iterator<Item = Bill>) -> Self {
        let mut all = Self { rows: Vec::new(), limits: SmallVec::new(), charges: SmallVec::new() };
        for bill in bills {
            let start = all.charges.len();
            all.limits.extend_from_slice(&bill.limits);
            all.charges.extend(bill.charges.iter().cloned());
            all.rows.push((bill, start..all.charges.len()));
        }
        all
    }

    fn denied<S: Store>(self, visits: &[Visit<'_>], balances: &Balances, at: Timestamp) -> Vec<Together<S>> {
        let rows = visits.iter().zip(self.rows);
        let outcome = |(visit, (bill, places)): (&Visit<'_>, (Bill, Range<usize>))| {
            let balances: Balances = balances[places].iter().copied().collect();
            let waits = balances.iter().enumerate().map(|(place, balance)| (balance.wait, place));
            // The first of the longest waits.
            match waits.rev().max_by_key(|(wait, _)| *wait) {
                Some((wait, charge)) if !wait.fits() => {
                    Together::Rejected(visit.denied(bill, Denial { charge, wait, balances, at }))
                }
                _ => {
                    let (limits, charges) = (bill.limits, bill.charges);
                    Together::Spared(Box::new(Spared { limits, charges, balances }))
                }
            }
        };
        rows.map(outcome).collect()
    }
}

/// Turns the balances that charges of 0 have found into denials where nothing is left. Returns `true` if there are any.
fn look(charges: &[Charge], balances: &mut Balances) -> bool {
    let mut any = false;
    for (charge, balance) in charges.iter().zip(balances.iter_mut()) {
        if charge.cost.is_zero() && balance.remaining == 0 {
            balance.wait =
                if charge.quota.amount() == 0 { Wait::Forever } else { Wait::For(balance.next_after) };
            any = true;
        }
    }
    any
}
