//! The upstreams of one worker, and sending a request to one of them.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::{
    Request,
    header::{HOST, UPGRADE},
};
use sluicegate_policy::{GatewaySettings, Upstream as Address};
use tokio::time::{Instant, timeout};

use super::{
    Answered, Exchange, Health, MaxHead, SendError, Timeouts, Upstream, choice::Choice, connection::Failure,
    health::WHOLE, link::Link,
};
use crate::{
    request::{body::RequestBody, interim::Interims},
    upstream::dial::{Dialer, Offer},
};

/// The upstreams as one worker sees them: any may get any request.
pub(crate) struct Upstreams {
    all: Box<[Rc<Upstream>]>,
    dialer: Dialer,
    choice: Choice,
    /// For all connecting of one request.
    connect_timeout: Duration,
    /// The number of other upstreams to try if one does not accept a request.
    retries: usize,
    /// Set if any upstream gets another host than the client's.
    tells_hosts: bool,
    max_head: MaxHead,
}

/// The upstreams that a request was offered to in vain, and the time that it has left.
#[derive(Default)]
struct Tries {
    /// Since the first connection was opened for it.
    began: Option<Instant>,
    /// The end of the request, wherever it is.
    until: Option<Instant>,
    /// Their places in the list.
    refused: Vec<usize>,
}

impl Upstreams {
    /// The upstreams of the settings, each with its health. Opens no connection yet, and keeps the
    /// connections to those that were there `before`.
    pub(crate) fn new(
        settings: &GatewaySettings,
        healths: &[Arc<Health>],
        dialer: Dialer,
        before: Option<&Self>,
    ) -> Self {
        let before = before.map_or(&[][..], |before| &before.all);
        let upstream = |(address, health): (&Address, &Arc<Health>)| {
            let kept = before.iter().find(|before| before.is_of(address, health));
            kept.map_or_else(|| Rc::new(Upstream::new(address.clone(), Arc::clone(health))), Rc::clone)
        };
        Self {
            all: settings.upstreams.iter().zip(healths).map(upstream).collect(),
            dialer,
            choice: Choice::new(),
            connect_timeout: settings.connect_timeout,
            retries: settings.retries,
            tells_hosts: settings.upstreams.iter().any(|upstream| upstream.told_host().is_some()),
            max_head: MaxHead { bytes: settings.max_response_head, fields: settings.max_response_headers },
        }
    }

    /// Takes a request, sends it to one of the upstreams and waits for the head of the answer. Interim responses before
    /// that are taken by `interims`, if given.
    ///
    /// Takes a connection that is there, if one can take it. If that turns out to be closed before anything
    /// was sent, or the upstream reports that it did nothing with the request, the request goes over a fresh
    /// one. If there is none, it goes to another upstream. Nothing else is sent twice. Dropping the future
    /// closes the connection, or resets the stream.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; each becomes one refusal.
    pub(crate) async fn send(
        &self,
        request: &mut Request<RequestBody>,
        timeouts: Timeouts,
        interims: Option<&Interims>,
    ) -> Result<Answered, SendError> {
        let until = timeouts.total.map(|total| Instant::now() + total);
        let mut tries = Tries { until, ..Tries::default() };
        let offer = if request.headers().contains_key(UPGRADE) { Offer::Http1 } else { Offer::Any };
        let clients_host = request.headers().get(HOST).filter(|_| self.tells_hosts).cloned();
        let mut attempt = self.attempt(self.choose(&[]).unwrap_or_default(), offer);
        loop {
            let was_kept = attempt.kept.is_some();
            let link = match attempt.kept.take() {
                Some(link) => link,
                // Boxed, because it is rare and large: every request would carry room for it.
                None => {
                    match Box::pin(self.connect(attempt.exchange.upstream(), &mut tries, offer, timeouts))
                        .await
                    {
                        Ok(link) => link,
                        Err(error) => {
                            attempt = self.attempt_another(&attempt, &mut tries, offer, error)?;
                            continue;
                        }
                    }
                }
            };
            let is_used_by_others = was_kept || matches!(link, Link::Http2(_));
            if let Some(host) = attempt.exchange.upstream().told_host.as_ref().or(clients_host.as_ref()) {
                request.headers_mut().insert(HOST, host.clone());
            }
            match link.send(request, offer, timeouts, until, interims).await {
                Ok((response, connection)) => return Ok(attempt.exchange.answered(response, connection)),
                Err(Failure::Sent(error)) => {
                    if error.is_upstreams() {
                        attempt.exchange.failed();
                    }
                    return Err(error);
                }
                Err(Failure::Unsent(unsent, error)) => {
                    *request = *unsent;
                    // That says nothing of the upstream: others used the connection before, or use it now.
                    if is_used_by_others && !attempt.is_second_offer {
                        attempt.is_second_offer = true;
                    } else {
                        attempt = self.attempt_another(&attempt, &mut tries, offer, error)?;
                    }
                }
            }
        }
    }

    /// Begins to offer a request to the upstream at this place, over a connection that is there if one can take it.
    fn attempt(&self, place: usize, offer: Offer) -> Attempt {
        let exchange = Exchange::begin(Rc::clone(&self.all[place]));
        let kept = exchange.upstream().links.take(offer);
        Attempt { place, exchange, kept, is_second_offer: false }
    }

    /// Begins to offer a request to another upstream after an attempt that failed, or gives up with its error.
    #[cold]
    fn attempt_another(
        &self,
        failed: &Attempt,
        tries: &mut Tries,
        offer: Offer,
        error: SendError,
    ) -> Result<Attempt, SendError> {
        failed.exchange.failed();
        tracing::debug!(upstream = %failed.exchange.upstream().address, %error, "offered in vain");
        tries.refused.push(failed.place);
        match self.choose(&tries.refused) {
            Some(next) if !self.left(tries).is_zero() => Ok(self.attempt(next, offer)),
            _ => Err(error),
        }
    }

    /// The place of the upstream for a request that these have not taken.
    fn choose(&self, refused: &[usize]) -> Option<usize> {
        if refused.len() > self.retries {
            return None;
        }
        if let [_] = &*self.all {
            return refused.is_empty().then_some(0);
        }
        let share_of = |share: fn(&Health) -> u64| {
            let weight = move |(place, upstream): (usize, &Rc<Upstream>)| {
                if refused.contains(&place) {
                    0
                } else {
                    u64::from(upstream.address.weight()) * share(&upstream.health)
                }
            };
            self.choice
                .among(self.all.iter().enumerate().map(weight), |place| self.all[place].in_flight.count())
        };
        // If none is healthy, any of them may be.
        share_of(Health::share).or_else(|| share_of(|_| WHOLE))
    }

    async fn connect(
        &self,
        upstream: &Upstream,
        tries: &mut Tries,
        offer: Offer,
        timeouts: Timeouts,
    ) -> Result<Link, SendError> {
        tries.began.get_or_insert_with(Instant::now);
        let opened = upstream.links.open(&self.dialer, &upstream.address, offer, timeouts, self.max_head);
        match timeout(self.left(tries), opened).await {
            Ok(connected) => connected.map_err(SendError::Connect),
            Err(_) => Err(SendError::ConnectTimeout),
        }
    }

    /// The maximum time for the next connection: an even share of the time that is left, so that a silent
    /// upstream leaves some for the others.
    fn left(&self, tries: &Tries) -> Duration {
        let passed = tries.began.map_or(Duration::ZERO, |began| began.elapsed());
        let shares = (self.retries + 1).min(self.all.len()).saturating_sub(tries.refused.len());
        let share =
            self.connect_timeout.saturating_sub(passed) / u32::try_from(shares.max(1)).unwrap_or(u32::MAX);
        tries.until.map_or(share, |until| share.min(until.saturating_duration_since(Instant::now())))
    }
}

/// A request that is offered to one upstream.
struct Attempt {
    /// The place of the upstream in the list.
    place: usize,
    exchange: Exchange,
    /// A connection that was there already.
    kept: Option<Link>,
    /// The first offer came to nothing through no fault of the upstream.
    is_second_offer: bool,
}
