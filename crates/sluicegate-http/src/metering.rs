//! The usage of an admitted request, from its response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::response;
use sluicegate::{Clock, Cost, Resilient, Store, StoreError, Unit};
use sluicegate_policy::{
    Actual, Ending, Extended, Gate, LimitId, Pass, Repetition, Reservation, ResponseMeter, Settlement,
    TokenWeights, Usage,
};

use crate::{Admission, decision_log::Logged};

/// The knowledge of the usage of an admitted request: nothing for most, whose routes do not meter tokens.
#[derive(Default)]
pub enum Metering<S: Store> {
    /// No answer has come yet.
    #[default]
    Unanswered,
    /// No answer will come, and the upstream has done no work.
    Unserved,
    /// The upstream answers.
    Answered(Box<Answering<S>>),
}

/// An answer that comes, and the tokens that are taken for it meanwhile.
pub struct Answering<S: Store> {
    meter: ResponseMeter,
    /// Data has come since the output was last compared with the reservation.
    has_grown: bool,
    extending: Extending<S>,
}

/// The end of a stream whose tokens are spent.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The limit.
    pub limit: LimitId,
    /// The last bytes, if there are any, after which the stream breaks off: a proper end would be a good one to many clients.
    pub last: Bytes,
}

/// The state of taking more tokens.
enum Extending<S: Store> {
    /// The reservation has been enough.
    Enough,
    /// The store is asked.
    Asked(Asked<S>),
    /// There is no more.
    Refused,
}

type Asked<S> = Pin<Box<dyn Future<Output = Extended<S>> + Send>>;

/// The usage of a request, as an application tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// The cost of what the route measures: its tokens, where those are metered.
    Cost(Cost),
    /// Costs by their units. Those of other units stay as they are.
    Units(Vec<(Unit, Cost)>),
    /// The tokens of a model, where the route meters them. Those that are left out stay as they were reserved.
    Tokens {
        /// Input tokens.
        input: Option<u64>,
        /// Output tokens.
        output: Option<u64>,
    },
    /// Both: the tokens of a model, where the route meters them, and the costs of other units.
    Usage {
        /// Input tokens.
        input: Option<u64>,
        /// Output tokens.
        output: Option<u64>,
        /// Costs by their units.
        units: Vec<(Unit, Cost)>,
    },
    /// Nothing: the request has never run. All that it was charged is given back.
    Unserved,
}

/// A settlement that waits for a store.
pub type Settling = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

impl<S: Resilient> Metering<S> {
    /// Learns of the head of the response to a request that passed.
    pub fn answered(&mut self, pass: &Pass<S>, head: &response::Parts) {
        if let Some(reservation) = pass.reservation() {
            let meter = reservation.response_meter(head);
            let answering = Answering { meter, has_grown: false, extending: Extending::Enough };
            *self = Self::Answered(Box::new(answering));
        }
    }

    /// Sees the next bytes of the response's body.
    #[inline]
    pub fn data(&mut self, data: &[u8]) {
        if let Self::Answered(answering) = self {
            answering.meter.data(data);
            answering.has_grown = true;
        }
    }

    /// Returns the event that the last bytes were, if they were one alone that repeats an earlier one with another text.
    #[inline]
    #[must_use]
    pub fn repetition(&self) -> Option<Repetition> {
        match self {
            Self::Answered(answering) => answering.meter.repetition(),
            Self::Unanswered | Self::Unserved => None,
        }
    }

    /// Returns `true` if the answer is a stream of events that has no content coding.
    #[must_use]
    pub fn is_plain_event_stream(&self) -> bool {
        matches!(self, Self::Answered(answering) if answering.meter.is_plain_event_stream())
    }

    /// Learns that the body has ended as it should.
    pub fn complete(&mut self) {
        if let Self::Answered(answering) = self {
            answering.meter.complete();
        }
    }

    /// Returns `true` if [`extend`](Self::extend) has something to do: more output has come than was reserved, or the store is
    /// asked for more.
    #[inline]
    #[must_use]
    pub fn is_to_be_extended(&mut self, pass: &Pass<S>) -> bool {
        let Self::Answered(answering) = self else { return false };
        match answering.extending {
            Extending::Enough => {
                std::mem::take(&mut answering.has_grown) && {
                    answering.has_grown = pass.is_outgrown(&answering.meter);
                    answering.has_grown
                }
            }
            Extending::Asked(_) => true,
            Extending::Refused => false,
        }
    }

    /// Takes more tokens once the answer is longer than what was reserved. Returns how to cut a stream whose limit is spent and
    /// says so.
    ///
    /// Call it whenever data has come. The answer need not wait: while the store is asked, this returns `None`, and `cx` is
    /// woken when it is to be called again.
    pub fn extend(&mut self, pass: &mut Pass<S>, gate: &Gate<S>, cx: &mut Context<'_>) -> Option<Cut> {
        let Self::Answered(answering) = self else { return None };
        let Answering { meter, has_grown, extending } = &mut **answering;
        if matches!(extending, Extending::Enough)
            && std::mem::take(has_grown)
            && let Some(extension) = pass.extension(meter)
        {
            *extending = Extending::Asked(Box::pin(gate.extend(extension)));
        }
        let Extending::Asked(asked) = extending else { return None };
        let Poll::Ready(extended) = asked.as_mut().poll(cx) else { return None };
        match extended {
            Extended::Taken(permit) => {
                pass.extended(*permit);
                *extending = Extending::Enough;
                // It may be longer than that already.
                *has_grown = true;
                None
            }
            Extended::Refused => {
                *extending = Extending::Refused;
                None
            }
            Extended::Cut(limit) => {
                *extending = Extending::Refused;
                let name = gate.policy().limit(limit).name();
                let reason = format!("Too Many Requests: the tokens of the limit {name} are spent");
                meter.ending(&reason).map(|last| Cut { limit, last })
            }
        }
    }

    fn ending(&self) -> Ending<'_> {
        match self {
            Self::Unanswered => Ending::Unanswered,
            Self::Unserved => Ending::Unserved,
            Self::Answered(answering) => Ending::Answered(&answering.meter),
        }
    }

    /// Returns the tokens that the store is still asked for. A store that has taken them has to get them back.
    fn into_asked(self) -> Option<Asked<S>> {
        match self {
            Self::Answered(answering) => match answering.extending {
                Extending::Asked(asked) => Some(asked),
                Extending::Enough | Extending::Refused => None,
            },
            Self::Unanswered | Self::Unserved => None,
        }
    }
}

impl<S: Resilient, C: Clock> Admission<S, C> {
    /// Ends a request that passed, and logs that if its decision was `logged`: replaces the tokens that it has reserved by those that it has used, counts them, and gives
    /// back its slots. It may be called from [`Drop`].
    ///
    /// A store in memory has done so when this returns. What waits for another store is given to `spawn`, which lets a runtime
    /// finish it.
    ///
    /// # Errors
    ///
    /// The error of a store that answers at once: the reservation stays charged.
    pub fn settle(
        &self,
        pass: Box<Pass<S>>,
        metering: Metering<S>,
        logged: Option<&Logged>,
        spawn: impl FnOnce(Settling),
    ) -> Result<(), StoreError> {
        self.settle_and_tell(pass, metering, logged, spawn, |_, _| {})
    }

    /// [`settle`](Self::settle), which also tells for which tokens a request whose tokens are metered is charged.
    pub(crate) fn settle_and_tell(
        &self,
        mut pass: Box<Pass<S>>,
        metering: Metering<S>,
        logged: Option<&Logged>,
        spawn: impl FnOnce(Settling),
        tell: impl FnOnce(&Reservation, &Settlement),
    ) -> Result<(), StoreError> {
        let actual = self.actual(&pass, metering.ending(), tell);
        self.log_end(&pass, logged, actual.as_ref());
        let Some(actual) = actual else { return Ok(()) };
        let asked = metering.into_asked();
        begin(spawn, async move {
            take_extension(&mut pass, asked).await;
            pass.settle_tokens(&actual).await
        })
    }

    /// [`settle`](Self::settle) by what the application tells of the request's usage, whatever its response says.
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub fn settle_told(
        &self,
        mut pass: Box<Pass<S>>,
        metering: Metering<S>,
        logged: Option<&Logged>,
        told: Told,
        spawn: impl FnOnce(Settling),
    ) -> Result<(), StoreError> {
        let is_metered = pass.reservation().is_some();
        let usage = pass.reservation().and_then(|reservation| told.tokens(&reservation.usage()));
        let actual = usage.and_then(|usage| self.actual(&pass, Ending::Told(usage), |_, _| {}));
        self.log_end(&pass, logged, actual.as_ref());
        let asked = metering.into_asked();
        begin(spawn, async move {
            take_extension(&mut pass, asked).await;
            match told {
                Told::Cost(cost) if is_metered => pass.settle_units(&[(Unit::Tokens, cost)]).await,
                Told::Cost(cost) => pass.settle(cost).await,
                Told::Tokens { .. } => pass.settle_usage(actual.as_ref(), &[]).await,
                Told::Units(units) | Told::Usage { units, .. } => {
                    pass.settle_usage(actual.as_ref(), &units).await
                }
                Told::Unserved => pass.settle_units(&NOTHING).await,
            }
        })
    }

    /// Returns the tokens that a request has used, and counts them. `None` if those that it has reserved stay charged, or there are
    /// none.
    fn actual(
        &self,
        pass: &Pass<S>,
        ending: Ending<'_>,
        tell: impl FnOnce(&Reservation, &Settlement),
    ) -> Option<Actual> {
        let reservation = pass.reservation()?;
        let settlement = reservation.settlement(ending);
        self.settled(pass, reservation, &settlement);
        tell(reservation, &settlement);
        match settlement {
            Settlement::Used(actual) => Some(actual),
            Settlement::Reserved => None,
        }
    }

    fn log_end(&self, pass: &Pass<S>, logged: Option<&Logged>, actual: Option<&Actual>) {
        if let (Some(log), Some(logged)) = (self.log(), logged) {
            log.ended(logged, pass, actual);
        }
    }
}

impl Told {
    /// The tokens that it tells. What it leaves out is as it was reserved.
    fn tokens(&self, reserved: &Usage) -> Option<Usage> {
        let (input, output) = match self {
            Self::Usage { input: None, output: None, .. } | Self::Cost(_) | Self::Units(_) => return None,
            Self::Tokens { input, output } | Self::Usage { input, output, .. } => (input, output),
            Self::Unserved => return Some(Usage::default()),
        };
        let weights = TokenWeights::default();
        Some(Usage::text(
            input.unwrap_or_else(|| reserved.input(&weights)),
            output.unwrap_or_else(|| reserved.output(&weights)),
        ))
    }
}

/// The costs of a request that has never run.
const NOTHING: [(Unit, Cost); 7] = [
    (Unit::Requests, Cost::ZERO),
    (Unit::Items, Cost::ZERO),
    (Unit::Tokens, Cost::ZERO),
    (Unit::InputTokens, Cost::ZERO),
    (Unit::OutputTokens, Cost::ZERO),
    (Unit::Bytes, Cost::ZERO),
    (Unit::Usd, Cost::ZERO),
];

/// Waits for the tokens that the store is still asked for.
async fn take_extension<S: Resilient>(pass: &mut Pass<S>, asked: Option<Asked<S>>) {
    if let Some(asked) = asked
        && let Extended::Taken(permit) = asked.await
    {
        pass.extended(*permit);
    }
}

/// Settles at once if the store does, or gives the rest to `spawn`.
fn begin(
    spawn: impl FnOnce(Settling),
    settling: impl Future<Output = Result<(), StoreError>> + Send + 'static,
) -> Result<(), StoreError> {
    let mut settling: Settling = Box::pin(settling);
    match settling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(settled) => settled,
        Poll::Pending => {
            spawn(settling);
            Ok(())
        }
    }
}

impl<S: Store> fmt::Debug for Metering<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered => f.write_str("Unanswered"),
            Self::Unserved => f.write_str("Unserved"),
            Self::Answered(answering) => answering.fmt(f),
        }
    }
}

impl<S: Store> fmt::Debug for Answering<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("meter", &self.meter).finish_non_exhaustive()
    }
}
