//! The life of one request.

use std::{future::poll_fn, rc::Rc, task::Poll};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Version,
    header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderValue, UPGRADE},
    request::Parts,
    response,
};
use http_body::Body as _;
use sluicegate::SystemClock;
use sluicegate_http::{Admission, DenialLog, read};
use sluicegate_policy::{GatewaySettings, Policy, Refusal, Rejection, RequestId, RouteId, SlotsUntil};
use sluicegate_stores::AnyStore;

use crate::{
    io::interval::Tokio,
    log,
    metrics::Metrics,
    request::{
        body::{AnswerBody, ClientBody, DetachedBody, RelayedBody, RequestBody, Rest, discard},
        detached::{self, DetachedRequests},
        forward::{Forward, Peer},
        framing::{self, RequestFraming},
        input_counter::{Counted, InputCounter},
        interim::Interims,
        public_urls::Told,
        running::{Flight, Running, Serving},
        trace::Traced,
    },
    upgrade::{self, Switch, Tunnel},
    upstream::{Answered, SendError, Timeouts, Upstreams},
};

/// The state that one worker needs to serve requests.
pub(crate) struct Proxy {
    pub(crate) serving: Rc<Serving>,
    pub(crate) forward: Forward,
    pub(crate) upstreams: Upstreams,
    pub(crate) denials: DenialLog,
    pub(crate) detached: DetachedRequests,
    /// One for each of the policy's routes.
    pub(crate) timeouts: Box<[Timeouts]>,
    /// One for each route whose input is counted.
    pub(crate) input_counters: Box<[Option<InputCounter>]>,
    /// Some upstream knows other URLs than its clients do.
    pub(crate) maps_back: bool,
}

/// A request that the upstream answers.
enum Sent {
    /// For as long as its client stays.
    Attended(Answered, Running),
    /// To the end of the answer.
    Detached(response::Parts, DetachedBody),
}

impl Proxy {
    /// The gateway's own settings.
    pub(crate) fn settings(&self) -> &GatewaySettings {
        &self.policy().gateway
    }

    /// The policy that it serves by.
    pub(crate) fn policy(&self) -> &Policy {
        self.admission().gate().policy()
    }

    fn admission(&self) -> &Admission<AnyStore, SystemClock> {
        &self.serving.admission
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.serving.metrics
    }

    /// Answers one request: with the upstream's answer, or with our own if it may not or cannot have one.
    pub(crate) async fn serve(
        self: &Rc<Self>,
        head: &mut Parts,
        body: ClientBody,
        peer: &Peer,
        switch: &Switch,
        interims: Option<&Interims>,
    ) -> Response<AnswerBody> {
        let framing = RequestFraming::of(head);
        let takes_interims = head.version != Version::HTTP_10 && self.settings().interim_responses;
        let interims = interims.filter(|_| takes_interims);
        let protocol = upgrade::asked_for(head).filter(|_| body.is_end_stream());
        let mut body = Some(body);
        let is_expecting;
        let mut traced =
            self.serving.tracer.as_ref().map_or(Traced::Not, |tracer| Traced::begin(tracer, head, peer));
        let answer = match self.decide(head, &mut body, peer, &mut traced).await {
            Ok((running, sent)) => {
                if let Some(interims) = interims {
                    poll_fn(|cx| {
                        interims.attend(cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                let sent = self.send(head, sent, peer, protocol, interims, running).await;
                if let Some(interims) = interims {
                    interims.sent().await;
                }
                match sent {
                    Ok((Sent::Attended(answered, running), id)) => {
                        return relay(answered, framing, &id, running, switch);
                    }
                    Ok((Sent::Detached(head, body), id)) => {
                        return relay_kept(head, body, framing, &id);
                    }
                    Err((response, rest)) => {
                        body = rest;
                        is_expecting = head.headers.contains_key(EXPECT);
                        response
                    }
                }
            }
            Err(rejection) => {
                let id = RequestId::of(&head.headers);
                self.log(&rejection, &id);
                is_expecting = head.headers.contains_key(EXPECT);
                let response = self.admission().renderer().rejected_in_place(&rejection, head, &id);
                traced.rejected(self.policy(), &rejection, response.status(), &id);
                response
            }
        };
        own(answer, body, framing, is_expecting)
    }

    /// Decides, reading the body first where the decision needs it. A body that nobody reads is left in `body`.
    async fn decide(
        self: &Rc<Self>,
        head: &mut Parts,
        body: &mut Option<ClientBody>,
        peer: &Peer,
        traced: &mut Traced,
    ) -> Result<(Running, RequestBody), Rejection> {
        // Hyper counts the fields of HTTP/1.1 itself.
        let most = self.settings().max_headers;
        if head.version == Version::HTTP_2 && head.headers.len() > most {
            return Err(self.admission().refuse(Refusal::TooManyHeaders { most }));
        }
        if let Err(bad) = self.forward.normalize(head) {
            return Err(self.admission().refuse(bad.into()));
        }
        let mut entry = self.admission().enter(head, peer.ip).await?;
        let flight = Flight::begin(&self.serving, entry.route());
        traced.entered(self.policy(), entry.route(), entry.caller());
        let stall = self.timeouts(entry.route()).idle;
        let arriving = body.as_mut();
        let reading = entry
            .read(async move |mut reading| {
                if let Some(body) = arriving {
                    read(body, &mut reading, &Tokio, stall).await?;
                }
                Ok(reading)
            })
            .await?;
        let route = entry.route();
        if let Some(counter) = &self.input_counters[route.index()] {
            let counted = Counted { route, head: &*head, peer };
            let count = async move |counting| counter.count(self, counted, counting).await;
            // Boxed, because it is large and most routes have none.
            Box::pin(entry.count(reading.as_deref(), count)).await;
        }
        let admitted = entry.decide(reading.as_deref()).await?;
        let mut running = Running::new(admitted, flight, std::mem::take(traced));
        let body = match (reading, body.take()) {
            (Some(reading), Some(body)) => {
                let held = reading.into_held();
                RequestBody::held(running.ask_for_usage(&held).unwrap_or(held), body)
            }
            (None, Some(body)) => RequestBody::Streamed(body, None),
            (_, None) => RequestBody::Read(None),
        };
        Ok((running, body))
    }

    /// Sends a request that may pass to the upstream, under the id that comes with the answer. An answer of ours comes with the
    /// part of the body that nobody has read.
    async fn send(
        self: &Rc<Self>,
        head: &mut Parts,
        mut body: RequestBody,
        peer: &Peer,
        protocol: Option<HeaderValue>,
        interims: Option<&Interims>,
        mut running: Running,
    ) -> Result<(Sent, RequestId), (Response<Bytes>, Option<ClientBody>)> {
        let id = self.forward.request(head, peer);
        running.sent(head, &id);
        let route = running.route();
        let forwarding = self.policy().routes.get(route).forwarding();
        for name in &forwarding.removed_headers {
            head.headers.remove(name);
        }
        if running.reservation().is_some() {
            head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        framing::request(&mut head.headers, &body);
        let switches = protocol.is_some();
        if let Some(protocol) = protocol {
            upgrade::name(&mut head.headers, protocol);
        }
        // The other protocol of a connection that switches ends with its client.
        let is_kept = forwarding.slots_until == SlotsUntil::UpstreamEnds && !switches;
        let arrival = is_kept.then(|| body.arrival());
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = std::mem::take(&mut head.uri);
        *request.headers_mut() = std::mem::take(&mut head.headers);
        let told = self.maps_back.then(|| Told::of(request.headers()));
        let failed = match arrival {
            None => match self.ask(&mut request, route, switches, told, &id, interims).await {
                Ok(answered) => return Ok((Sent::Attended(answered, running), id)),
                Err(error) => {
                    let refusal = running.failed(error);
                    // They tell what may become of the rest of the body.
                    head.headers = std::mem::take(request.headers_mut());
                    let refused = self.admission().renderer().refused(&refusal, running.form(), &id);
                    (refused, request.into_body().into_rest())
                }
            },
            Some(arrival) => {
                let timeouts = self.timeouts(route);
                let bound = timeouts.total.unwrap_or(timeouts.response);
                let form = running.form().clone();
                let (proxy, own_id, interims) = (Rc::clone(self), id.clone(), interims.cloned());
                // Boxed, because it is large and others are not to carry room for it.
                let sending = Box::pin(async move {
                    proxy.ask(&mut request, route, false, told, &own_id, interims.as_ref()).await
                });
                match self.detached.send(detached::Request { arrival, running, bound }, sending).await {
                    Ok((head, body)) => return Ok((Sent::Detached(head, body), id)),
                    Err(failed) => {
                        let refusal = failed
                            .map_or(Refusal::UpstreamDown, |(error, mut running)| running.failed(error));
                        (self.admission().renderer().refused(&refusal, &form, &id), None)
                    }
                }
            }
        };
        Err(failed)
    }

    /// Sends what is in `request` to an upstream, maps the answer back, and counts and logs a failure.
    async fn ask(
        &self,
        request: &mut Request<RequestBody>,
        route: RouteId,
        switches: bool,
        told: Option<Told>,
        id: &RequestId,
        interims: Option<&Interims>,
    ) -> Result<Answered, SendError> {
        let failed = match self.upstreams.send(request, self.timeouts(route), interims).await {
            Ok(mut answered) if switches || !is_switched(&answered) => {
                if let Some(told) = told {
                    answered.map_back(&told);
                }
                return Ok(answered);
            }
            Ok(_) => SendError::Switched,
            Err(error) => error,
        };
        if failed.is_upstreams() {
            let route = self.metrics().route(route);
            route.upstream_failures.inc();
            let request_id = id.as_str();
            tracing::warn!(route = route.name, request_id, error = %failed, "no answer from the upstream");
        }
        Err(failed)
    }

    /// Refuses what is no request that could be served.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response<Bytes> {
        let (head, ()) = Request::new(()).into_parts();
        let (rejection, id) = (self.admission().refuse(refusal), RequestId::new());
        self.log(&rejection, &id);
        self.admission().renderer().rejected(&rejection, &head, &id)
    }

    pub(crate) fn timeouts(&self, route: RouteId) -> Timeouts {
        self.timeouts[route.index()]
    }

    /// Logs a rejection.
    pub(crate) fn log(&self, rejection: &Rejection, id: &RequestId) {
        match rejection {
            Rejection::Denied(denied) => log::denial(&self.denials, self.policy(), denied, id),
            Rejection::Refused(refused) => {
                let refusal = &refused.refusal;
                let store = refused.store_error.as_ref().map(tracing::field::display);
                tracing::debug!(code = refusal.code(), %refusal, store, "refused");
            }
            Rejection::Preflight { .. } => {}
        }
    }
}

/// The upstream's answer, with what the policy adds to it.
fn relay(
    answered: Answered,
    framing: RequestFraming,
    id: &RequestId,
    mut running: Running,
    switch: &Switch,
) -> Response<AnswerBody> {
    let is_switched = is_switched(&answered);
    let Answered { response, exchange } = answered;
    let (mut head, incoming) = response.into_parts();
    let protocol = head.headers.remove(UPGRADE);
    running.answered(&head, exchange.address());
    running.complete(&mut head, id);
    framing::response(&mut head, &incoming, framing);
    if is_switched {
        protocol.into_iter().for_each(|protocol| upgrade::name(&mut head.headers, protocol));
        running.switched();
        switch.put(Tunnel { exchange, _running: running });
        return Response::from_parts(head, AnswerBody::Own(None));
    }
    let is_bare = framing::is_without_content(head.status);
    let metering = running.body_metering(&mut head);
    let body = RelayedBody::attended(incoming, is_bare, exchange, running);
    Response::from_parts(head, AnswerBody::relayed(body, metering, Tokio))
}

/// The same for a request that goes on when its client leaves.
fn relay_kept(
    mut head: response::Parts,
    body: DetachedBody,
    framing: RequestFraming,
    id: &RequestId,
) -> Response<AnswerBody> {
    head.headers.remove(UPGRADE);
    let mut metering = None;
    if let Some(remains) = body.remains() {
        remains.running.complete(&mut head, id);
        framing::response(&mut head, &remains.incoming, framing);
        metering = remains.running.body_metering(&mut head);
    }
    Response::from_parts(head, AnswerBody::relayed(RelayedBody::Detached(body), metering, Tokio))
}

fn is_switched(answered: &Answered) -> bool {
    answered.response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// An answer of ours, beside which the rest of the request is forgotten. The client may expect to be asked for that.
fn own(
    mut response: Response<Bytes>,
    body: Option<ClientBody>,
    framing: RequestFraming,
    is_expecting: bool,
) -> Response<AnswerBody> {
    let rest = match framing.version {
        Version::HTTP_2 => Rest::Apart,
        _ if is_expecting => Rest::Unasked,
        _ => Rest::Coming,
    };
    if framing.is_head && rest == Rest::Apart {
        // Of HTTP/1.1, nobody is sent a body that HEAD did not ask for; here it would break the stream.
        let length = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response.body_mut().clear();
    }
    let mut response = response.map(|bytes| AnswerBody::Own(Some(bytes)));
    if body.is_some_and(|body| discard(body, rest)) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
