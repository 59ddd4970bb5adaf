//! A request that may pass.

use sluicegate::{Balance, Balances, Charge, Cost, Denial, Permit, Store, StoreError, Timestamp, Unit};
use smallvec::SmallVec;

use super::{Reservation, Visit};
use crate::{Actual, LimitId, RouteId, Scale, TierId, decide::route::Costs};

/// A request that may pass. Dropping it gives back its slots of concurrent limits: keep it until the last byte of
/// the answer is sent, and then, where its cost is known only now, [settle](Self::settle) it.
#[derive(Debug)]
pub struct Pass<S: Store> {
    route: RouteId,
    tier: TierId,
    costs: Costs,
    given: Option<Cost>,
    /// The scale of all limits, if the upstream was warming up.
    warmup: Option<Scale>,
    pub(super) limits: SmallVec<[LimitId; 2]>,
    shadow_denied: Vec<LimitId>,
    /// The charge and the denial of each of these limits.
    pub(super) shadow_denials: Vec<(Charge, Denial)>,
    pub(super) permit: Option<Permit<S>>,
    /// Instead of a permit.
    pub(super) share: Option<Box<Share>>,
    pub(super) shadow: Vec<(LimitId, Permit<S>)>,
    pub(super) reservation: Option<Box<Reservation>>,
    /// Tokens that were taken while the answer came.
    pub(super) extensions: Vec<Permit<S>>,
}

/// The part of a request in charges that were taken together with those of others. They stay as they are: only all of them
/// could be settled.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) charges: SmallVec<[Charge; 2]>,
    pub(super) balances: Balances,
    pub(super) at: Timestamp,
}

impl<S: Store> Pass<S> {
    /// A pass that nothing was charged for.
    pub(super) fn new(visit: &Visit<'_>, warmup: Option<Scale>, costs: Costs) -> Self {
        Self {
            route: visit.route(),
            tier: visit.tier(),
            costs,
            given: visit.hints.cost,
            warmup,
            limits: SmallVec::new(),
            shadow_denied: Vec::new(),
            shadow_denials: Vec::new(),
            permit: None,
            share: None,
            shadow: Vec::new(),
            reservation: None,
            extensions: Vec::new(),
        }
    }

    pub(super) fn charged(&mut self, permit: Option<Permit<S>>, limits: SmallVec<[LimitId; 2]>) {
        self.permit = permit;
        self.limits = limits;
    }

    pub(super) fn shared(&mut self, limits: SmallVec<[LimitId; 2]>, share: Share) {
        self.share = Some(Box::new(share));
        self.limits = limits;
    }

    pub(super) fn reserved(&mut self, reservation: Reservation) {
        self.reservation = Some(Box::new(reservation));
    }

    pub(super) fn shadow_allowed(&mut self, id: LimitId, permit: Permit<S>) {
        self.shadow.push((id, permit));
    }

    pub(super) fn shadow_denied(&mut self, id: LimitId, charge: Charge, denial: Denial) {
        self.shadow_denied.push(id);
        self.shadow_denials.push((charge, denial));
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// The caller's tier.
    #[must_use]
    pub fn tier(&self) -> TierId {
        self.tier
    }

    /// The limits that were charged, those in shadow mode aside.
    #[must_use]
    pub fn limits(&self) -> &[LimitId] {
        &self.limits
    }

    /// The charges taken, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        match (&self.permit, &self.share) {
            (Some(permit), _) => permit.charges(),
            (None, Some(share)) => &share.charges,
            (None, None) => &[],
        }
    }

    /// The balance after each charge, in the order of [`limits`](Self::limits).
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        match (&self.permit, &self.share) {
            (Some(permit), _) => permit.balances(),
            (None, Some(share)) => &share.balances,
            (None, None) => &[],
        }
    }

    /// The shadow limits that would have denied.
    #[must_use]
    pub fn denied_in_shadow(&self) -> &[LimitId] {
        &self.shadow_denied
    }

    /// The tokens that it has reserved, if the route meters tokens.
    #[must_use]
    pub fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_deref()
    }

    /// The scale of all limits, if the upstream was warming up: then it makes them smaller than the policy says.
    #[must_use]
    pub fn warmup(&self) -> Option<Scale> {
        self.warmup
    }

    /// A settled cost. While the upstream warms up, a charge takes at most all there is of a limit.
    pub(super) fn at_most_all(&self, charge: &Charge, cost: Cost) -> Cost {
        at_most_all(self.warmup, charge, cost)
    }

    /// Replaces what a meter found, or the caller gave, by what was `actual`ly used, and gives back the slots. Less is a
    /// refund, more is a debt that later requests wait for. Charges that were not metered stay as they are.
    ///
    /// While the upstream warms up, a limit is smaller than what one request may cost, and a request takes at most all
    /// there is of it: so it is here, too.
    ///
    /// # Errors
    ///
    /// When the store does not answer: the estimates stay charged, and the slots are given back. Limits in shadow mode
    /// fail nothing here either.
    pub async fn settle(self, actual: Cost) -> Result<(), StoreError> {
        let (costs, given) = (self.costs, self.given);
        self.settle_by(|_, charge| costs.are_metered(charge.quota.unit(), given).then_some(actual)).await
    }

    /// [`settle`](Self::settle) for the tokens that the request has reserved: replaces them by those that it has used, and
    /// gives back the slots. Without a [reservation](Self::reservation) it only gives back the slots.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub async fn settle_tokens(self, actual: &Actual) -> Result<(), StoreError> {
        self.settle_usage(Some(actual), &[]).await
    }

    /// [`settle`](Self::settle) for costs in several units: those of a unit that is not here stay as they are, and slots
    /// are given back.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub async fn settle_units(self, actual: &[(Unit, Cost)]) -> Result<(), StoreError> {
        self.settle_usage(None, actual).await
    }

    /// [`settle_tokens`](Self::settle_tokens), if the request has reserved tokens, and [`settle_units`](Self::settle_units) for the
    /// other limits.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub async fn settle_usage(
        mut self,
        tokens: Option<&Actual>,
        units: &[(Unit, Cost)],
    ) -> Result<(), StoreError> {
        let reserved = self.reservation.take().zip(tokens);
        let told = |unit| {
            let (_, cost) = units.iter().find(|(known, _)| *known == unit && unit != Unit::Concurrent)?;
            Some(*cost)
        };
        let extensions = std::mem::take(&mut self.extensions);
        let cost = |limit, charge: &Charge| {
            let tokens = reserved.as_ref().and_then(|(reservation, actual)| {
                reservation.cost(limit, charge, taken(&extensions, charge), actual)
            });
            tokens.or_else(|| told(charge.quota.unit()))
        };
        self.settle_by(cost).await?;
        // Only tokens are taken while the answer comes.
        give_back(extensions, |unit| reserved.is_some() || told(unit).is_some()).await
    }

    /// `actual` gives the cost of a limit's charge; `None` if it stays as it is.
    pub(super) async fn settle_by(
        self,
        actual: impl Fn(LimitId, &Charge) -> Option<Cost>,
    ) -> Result<(), StoreError> {
        let Self { warmup, limits, permit, shadow, .. } = self;
        let settled = match permit {
            Some(permit) => settle(permit, &limits, warmup, &actual).await,
            None => Ok(()),
        };
        for (limit, permit) in shadow {
            // A shadow limit only records, and its books are as good as its store.
            let _ = settle(permit, &[limit], warmup, &actual).await;
        }
        settled
    }
}

/// Gives back what was taken while the answer came, of these units. Called last: until then the account has too little, and never
/// too much.
pub(super) async fn give_back<S: Store>(
    extensions: Vec<Permit<S>>,
    is_settled: impl Fn(Unit) -> bool,
) -> Result<(), StoreError> {
    for extension in extensions {
        let cost = |charge: &Charge| if is_settled(charge.quota.unit()) { Cost::ZERO } else { charge.cost };
        let costs: SmallVec<[Cost; 2]> = extension.charges().iter().map(cost).collect();
        extension.settle(&costs).await?;
    }
    Ok(())
}

/// All that was taken of one limit. Tokens that were taken while the answer came are no debt.
pub(super) fn taken<S: Store>(extensions: &[Permit<S>], charge: &Charge) -> Cost {
    let steps = extensions.iter().flat_map(Permit::charges).filter(|step| step.key == charge.key);
    Cost::new(steps.fold(charge.cost.units(), |sum, step| sum.saturating_add(step.cost.units())))
}

fn at_most_all(warmup: Option<Scale>, charge: &Charge, cost: Cost) -> Cost {
    if warmup.is_some() { cost.min(Cost::new(charge.quota.burst_size())) } else { cost }
}

async fn settle<S: Store>(
    permit: Permit<S>,
    limits: &[LimitId],
    warmup: Option<Scale>,
    actual: &impl Fn(LimitId, &Charge) -> Option<Cost>,
) -> Result<(), StoreError> {
    let cost = |(limit, charge): (&LimitId, &Charge)| match actual(*limit, charge) {
        Some(cost) => at_most_all(warmup, charge, cost),
        None => charge.cost,
    };
    let costs: SmallVec<[Cost; 4]> = limits.iter().zip(permit.charges()).map(cost).collect();
    // Where nothing changes the store need not be asked: slots are given back all the same.
    if permit.charges().iter().zip(&costs).all(|(charge, cost)| charge.cost == *cost) {
        Ok(())
    } else {
        permit.settle(&costs).await
    }
}
