//! More tokens for a request that runs: its answer is longer than what was reserved for it.

use sluicegate::{Charge, Cost, Decision, Limiter, OutageMode, Permit, Resilient, Store, Unit};
use smallvec::SmallVec;

use super::{Gate, Pass, Reservation};
use crate::{LimitId, OnExhausted, Reserve, ResponseMeter, TokenClass};

/// The tokens that a request which runs takes beyond its reservation: a step at a time, so that other requests are not
/// admitted on tokens that it has used.
#[derive(Debug)]
pub struct Extension {
    pub(super) limits: SmallVec<[LimitId; 2]>,
    pub(super) charges: SmallVec<[Charge; 2]>,
}

/// The outcome of an [`Extension`].
#[derive(Debug)]
pub enum Extended<S: Store> {
    /// The tokens are taken.
    Taken(Box<Permit<S>>),
    /// A limit is spent, and the answer goes on: what it uses is a debt.
    Refused,
    /// A limit is spent, and the answer is to be cut.
    Cut(LimitId),
}

impl Reservation {
    #[inline]
    fn is_outgrown(&self, meter: &ResponseMeter) -> bool {
        let reserved = self.usage.of(TokenClass::Output).saturating_add(self.extended);
        meter.produced().is_some_and(|produced| produced > reserved)
    }

    /// Takes note of a step of output tokens, once the answer is longer than what is reserved.
    fn next_step(&mut self, meter: &ResponseMeter) -> Option<u64> {
        let step = self.meter.default_output;
        self.is_outgrown(meter).then(|| {
            self.extended = self.extended.saturating_add(step);
            step * u64::from(self.meter.weights.of(TokenClass::Output)).div_ceil(1000)
        })
    }
}

impl<S: Store> Pass<S> {
    /// Returns `true` if the answer has become longer than what is reserved for it.
    #[inline]
    #[must_use]
    pub fn is_outgrown(&self, meter: &ResponseMeter) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| reservation.is_outgrown(meter))
    }

    /// Returns the tokens to take now, if the answer has become longer than what is reserved for it.
    pub fn extension(&mut self, meter: &ResponseMeter) -> Option<Extension> {
        let cost = Cost::new(self.reservation.as_mut()?.next_step(meter)?);
        let (reservation, permit) = (self.reservation.as_ref()?, self.permit.as_ref()?);
        let grows = |(id, charge): &(&LimitId, &Charge)| {
            matches!(charge.quota.unit(), Unit::Tokens | Unit::OutputTokens)
                && reservation.terms(**id).is_some_and(|terms| terms.reserve == Reserve::Full)
        };
        let (limits, charges): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = self
            .limits
            .iter()
            .zip(permit.charges())
            .filter(grows)
            .map(|(id, charge)| (*id, charge.clone().cost(cost)))
            .unzip();
        (!limits.is_empty()).then_some(Extension { limits, charges })
    }

    /// The charges of each step that was taken for the request while it ran.
    pub fn extended_charges(&self) -> impl Iterator<Item = &[Charge]> {
        self.extensions.iter().map(Permit::charges)
    }

    /// Keeps tokens that were taken for the request while it ran, until it is settled.
    pub fn extended(&mut self, permit: Permit<S>) {
        self.extensions.push(permit);
    }
}

impl<S: Resilient> Gate<S> {
    /// Takes more tokens for a request that runs. A store that does not answer refuses.
    pub fn extend(
        &self,
        extension: Extension,
    ) -> impl Future<Output = Extended<S>> + Send + 'static + use<S> {
        let limiter: Limiter<S> = self.limiter.clone();
        let cuts: SmallVec<[bool; 2]> = extension
            .limits
            .iter()
            .map(|id| self.policy.limit(*id).terms().on_exhausted == OnExhausted::Cut)
            .collect();
        let outages: SmallVec<[OutageMode; 2]> = extension.limits.iter().map(|id| self.outage(*id)).collect();
        async move {
            match limiter.take_or(&extension.charges, |place| outages[place]).await {
                Ok(Decision::Allow(permit)) => Extended::Taken(Box::new(permit)),
                Ok(Decision::Deny(denial)) if cuts[denial.charge] => {
                    Extended::Cut(extension.limits[denial.charge])
                }
                Ok(Decision::Deny(_)) | Err(_) => Extended::Refused,
            }
        }
    }
}
