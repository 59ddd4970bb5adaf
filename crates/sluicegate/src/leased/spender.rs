//! Decides requests, by chunks as far as they go.

use smallvec::SmallVec;

use super::{
    Leased, LeasedLease,
    holding::{Desk, Holding, Payment, Receipt},
    places::Places,
    settings::is_lent,
    table::Account,
};
use crate::{
    Balance, Balances, Charge, Clock, Decision, Denial, Lender, OutageMode, Resilient, StoreError, Taken,
    Timestamp, Wait,
};

type Decided<L> = Decision<Taken<LeasedLease<L>>>;

impl<S: Lender + Resilient, C: Clock> Leased<S, C> {
    pub(super) async fn decide(
        &self,
        charges: &[Charge],
        outage: Option<impl Fn(usize) -> OutageMode + Send + Sync>,
    ) -> Result<Decided<S::Lease>, StoreError> {
        if self.settings.share == 0 || charges.len() > Places::MOST {
            let decision = self.ask(charges, None, outage.as_ref()).await?;
            return Ok(decision.map(|taken| taken.map_lease(LeasedLease::of_store)));
        }
        let accounts: SmallVec<[Account; 4]> =
            charges.iter().map(|charge| self.table.account(charge)).collect();
        let mut tries = 1;
        loop {
            let desk = self.desk();
            let mut spending = self.spend(charges, &accounts, &desk).await;
            if spending.rest.is_empty() && !charges.is_empty() {
                self.counters.decided();
                self.tidy_if_due(&desk);
                let ((claim, places), balances) = spending.keep(&desk);
                let balances = balances.into_iter().map(|(_, balance)| balance).collect();
                let lease = LeasedLease::of_chunks(None, claim, places);
                return Ok(Decision::Allow(Taken { balances, lease, at: desk.now }));
            }
            // Where it fails, or nobody waits for it any more, what was paid is taken back with `spending`.
            let decision = if spending.paid.is_empty() {
                self.ask(charges, None, outage.as_ref()).await?
            } else {
                let rest: SmallVec<[Charge; 4]> =
                    spending.rest.iter().map(|place| charges[*place].clone()).collect();
                self.ask(&rest, Some(&spending.rest), outage.as_ref()).await?
            };
            match decision {
                Decision::Allow(taken) => return Ok(self.admitted(spending, taken)),
                Decision::Deny(denial) => {
                    let balances = spending.take_back();
                    let denying = denial.balances.iter().zip(&spending.rest);
                    let mut denying = denying.filter(|(balance, _)| balance.wait != Wait::None);
                    // A chunk may have come meanwhile, of what the store has no more.
                    if tries == TRIES || !denying.all(|(_, place)| self.is_promising(accounts[*place])) {
                        return Ok(Decision::Deny(merged(&denial, &spending.rest, balances)));
                    }
                    tries += 1;
                }
            }
        }
    }

    /// Pays by chunks what they can pay.
    async fn spend<'a>(
        &'a self,
        charges: &'a [Charge],
        accounts: &'a [Account],
        desk: &Desk<'_, S>,
    ) -> Spending<'a, S, C> {
        let mut spending =
            Spending { leased: self, charges, accounts, paid: SmallVec::new(), rest: SmallVec::new() };
        for (place, charge) in charges.iter().enumerate() {
            let account = accounts[place];
            let receipt = if !is_lent(charge.quota.algorithm()) {
                None
            } else if accounts.iter().filter(|other| **other == account).count() > 1 {
                // The store judges them together.
                while let Some(answer) = self.table.with(account, |holding| holding.leave(desk)).flatten() {
                    answer.await;
                }
                None
            } else {
                self.pay(charge, account, charges.len() > 1, desk).await
            };
            match receipt {
                Some(receipt) => spending.paid.push((place, receipt)),
                None => spending.rest.push(place),
            }
        }
        spending
    }

    async fn pay(
        &self,
        charge: &Charge,
        account: Account,
        pending: bool,
        desk: &Desk<'_, S>,
    ) -> Option<Receipt> {
        let mut now = desk.now;
        for _ in 0..TRIES {
            let desk = Desk { now, ..*desk };
            let payment = self.table.with(account, |holding| holding.pay(charge, pending, &desk));
            match payment? {
                Payment::Made(receipt) => return Some(receipt),
                Payment::Failed => return None,
                Payment::Awaits(answer) => drop(answer.await),
            }
            now = self.clock.now();
        }
        None
    }

    /// Admits a request of which the store took the rest.
    fn admitted(&self, spending: Spending<'_, S, C>, taken: Taken<S::Lease>) -> Decided<S::Lease> {
        let desk = self.desk();
        for (place, balance) in spending.rest.iter().zip(&taken.balances) {
            self.heat(&spending.charges[*place], spending.accounts[*place], balance.remaining, &desk);
        }
        self.tidy_if_due(&desk);
        if spending.paid.is_empty() {
            return Decision::Allow(taken.map_lease(LeasedLease::of_store));
        }
        let rest = spending.rest.clone();
        let ((claim, places), paid) = spending.keep(&desk);
        let balances = in_order(&rest, &taken.balances, paid);
        let lease = LeasedLease::of_chunks(Some(taken.lease), claim, places);
        Decision::Allow(Taken { balances, lease, at: taken.at })
    }

    /// Asks for a first chunk of an account that is hot.
    fn heat(&self, charge: &Charge, account: Account, remaining: u64, desk: &Desk<'_, S>) {
        let within = self.settings.hot_within;
        if charge.cost.is_zero()
            || !is_lent(charge.quota.algorithm())
            || !self.heat.is_hot(account.0, desk.now, within)
        {
            return;
        }
        let new = || Holding::new(charge, desk.now);
        self.table.with_new(account, self.settings.max_keys, new, |holding| {
            if *holding.quota() == charge.quota {
                holding.renew(charge, remaining, desk);
            }
        });
    }

    fn is_promising(&self, account: Account) -> bool {
        let now = self.clock.now();
        self.table.with(account, |holding| holding.is_promising(now)).unwrap_or(false)
    }

    /// Asks the store, with the modes of the charges at these places.
    async fn ask<F: Fn(usize) -> OutageMode + Send + Sync>(
        &self,
        charges: &[Charge],
        places: Option<&[usize]>,
        outage: Option<&F>,
    ) -> Result<Decision<Taken<S::Lease>>, StoreError> {
        let place = |index: usize| places.and_then(|places| places.get(index).copied()).unwrap_or(index);
        match outage {
            Some(outage) => self.store.take_or(charges, |index| outage(place(index))).await,
            None => self.store.take(charges).await,
        }
    }
}

/// A request that chunks have paid in part. Dropping it takes back what they paid, unless it is kept.
struct Spending<'a, S: Lender + Resilient, C: Clock> {
    leased: &'a Leased<S, C>,
    charges: &'a [Charge],
    accounts: &'a [Account],
    /// The charges that were paid, by their places.
    paid: SmallVec<[(usize, Receipt); 4]>,
    /// The places of the others.
    rest: SmallVec<[usize; 4]>,
}

impl<S: Lender + Resilient, C: Clock> Spending<'_, S, C> {
    /// Keeps what was paid. Returns a claim on it, and the balances.
    fn keep(mut self, desk: &Desk<'_, S>) -> (LeasedPart<S::Lease>, PlacedBalances) {
        let paid = std::mem::take(&mut self.paid);
        let mut places = Places::default();
        for (place, receipt) in &paid {
            places.insert(*place);
            if self.charges.len() > 1 {
                let keep =
                    |holding: &mut Holding<S::Lease>| holding.keep(&self.charges[*place], receipt, desk);
                self.leased.table.with(self.accounts[*place], keep);
            }
        }
        // The earliest: a refund to a window that has passed gives back less, never more.
        let at = paid.iter().map(|(_, receipt)| receipt.at).min().unwrap_or_default();
        let balances = paid.iter().map(|(place, receipt)| (*place, Balance::from(receipt.standing)));
        (((self.leased.store.claim(at), at), places), balances.collect())
    }

    /// Takes back what was paid. Returns the balances after that.
    fn take_back(&mut self) -> PlacedBalances {
        let mut balances = PlacedBalances::new();
        if self.paid.is_empty() {
            return balances;
        }
        let desk = self.leased.desk();
        for (place, receipt) in std::mem::take(&mut self.paid) {
            let take_back =
                |holding: &mut Holding<S::Lease>| holding.take_back(&self.charges[place], &receipt, &desk);
            let standing = self.leased.table.with(self.accounts[place], take_back);
            balances.push((place, Balance::from(standing.unwrap_or(receipt.standing))));
        }
        balances
    }
}

impl<S: Lender + Resilient, C: Clock> Drop for Spending<'_, S, C> {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Balances by the places of their charges.
type PlacedBalances = SmallVec<[(usize, Balance); 4]>;

/// A claim on what chunks paid, its time on the store's clock, and the places of the charges.
type LeasedPart<L> = ((L, Timestamp), Places);

/// Returns the denial of a whole request from that of the rest of it, and the balances of what chunks would pay.
fn merged(denial: &Denial, rest: &[usize], paid: PlacedBalances) -> Denial {
    let charge = rest.get(denial.charge).copied().unwrap_or_default();
    Denial { charge, wait: denial.wait, balances: in_order(rest, &denial.balances, paid), at: denial.at }
}

/// Returns the balances of all charges in their order.
fn in_order(rest: &[usize], of_rest: &Balances, paid: PlacedBalances) -> Balances {
    let mut balances = paid;
    balances.extend(rest.iter().copied().zip(of_rest.iter().copied()));
    balances.sort_unstable_by_key(|(place, _)| *place);
    balances.into_iter().map(|(_, balance)| balance).collect()
}

/// Chances of a request to be paid by chunks that arrive meanwhile.
const TRIES: u32 = 3;
