//! The life of one request.

use std::{rc::Rc, sync::Arc};

use http::{
    Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, UPGRADE},
    request::Parts,
};
use http_body::Body as _;
use hyper::body::Incoming;
use sluicegate_policy::{Answer, Gate, GatewaySettings, Reason, Refusal, RequestId, RouteId};
use sluicegate_stores::AnyStore;
use tokio::time::Instant;

use crate::{
    body::{AnswerBody, ClientBody, ReadError, RequestBody, Rest, discard, read},
    client::Unread,
    forward::{self, BadHead, Forward, Peer},
    log::DenialLog,
    metrics::Metrics,
    upgrade::{self, Switch, Tunnel},
    upstream::{Answered, Patience, SendError, Upstreams},
};

/// What one worker needs to serve requests.
pub(crate) struct Proxy {
    pub(crate) gate: Arc<Gate<AnyStore>>,
    pub(crate) forward: Forward,
    pub(crate) upstreams: Upstreams,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) denials: DenialLog,
    /// One for each of the policy's routes.
    pub(crate) patiences: Box<[Patience]>,
}

/// A request that may pass, on its way through the upstream. Dropped when its answer has been sent or nobody wants it
/// any more: that gives back its slots.
pub(crate) struct Running {
    pass: sluicegate_policy::Pass<AnyStore>,
    flight: Flight,
    sent: Instant,
}

/// A request that has arrived and is not answered yet.
struct Flight {
    proxy: Rc<Proxy>,
    route: RouteId,
}

impl Proxy {
    /// The gateway's own settings.
    pub(crate) fn settings(&self) -> &GatewaySettings {
        &self.gate.policy().gateway
    }

    /// Answers one request: with the upstream's answer, or with our own if it may not or cannot have one.
    pub(crate) async fn serve(
        self: &Rc<Self>,
        request: Request<Incoming>,
        peer: &Peer,
        unread: Unread,
        switch: &Switch,
    ) -> Response<AnswerBody> {
        let (mut head, incoming) = request.into_parts();
        let protocol = upgrade::asked_for(&head).filter(|_| incoming.is_end_stream());
        let mut body = Some(ClientBody::new(incoming, unread));
        let rest = match head.version {
            Version::HTTP_2 => Rest::Apart,
            _ if head.headers.contains_key(EXPECT) => Rest::Unasked,
            _ => Rest::Coming,
        };
        let answer = match self.decide(&mut head, &mut body, peer).await {
            Ok((running, body)) => match self.send(&mut head, body, peer, protocol, &running).await {
                Ok((answered, id)) => return relay(answered, &id, running, switch),
                Err(answer) => answer,
            },
            Err(answer) => {
                self.count(&answer);
                answer
            }
        };
        let is_head = head.method == Method::HEAD;
        own(*answer, body, rest, is_head)
    }

    /// Decides, reading the body first where the decision needs it. A body that nobody reads is left in `body`.
    async fn decide(
        self: &Rc<Self>,
        head: &mut Parts,
        body: &mut Option<ClientBody>,
        peer: &Peer,
    ) -> Result<(Box<Running>, RequestBody), Box<Answer>> {
        // Hyper counts the fields of HTTP/1.1 itself.
        let most = self.settings().max_headers;
        if head.version == Version::HTTP_2 && head.headers.len() > most {
            return Err(self.gate.refused(Refusal::TooManyHeaders { most }, head));
        }
        if let Err(bad) = self.forward.normalize(head) {
            return Err(self.gate.refused(bad.into(), head));
        }
        let mut began = Instant::now();
        let visit = self.gate.enter(head, peer.ip).await?;
        let flight = Flight::begin(Rc::clone(self), visit.route());
        let read = match (visit.body_limit(), body.as_mut()) {
            (Some(limit), Some(body)) => {
                let asked = Instant::now();
                let read = match read(body, limit, self.patience(visit.route()).idle).await {
                    Ok(bytes) => bytes,
                    Err(error) => return Err(visit.refused(error.into())),
                };
                // The client's time is no part of the decision's.
                began += asked.elapsed();
                Some(read)
            }
            _ => None,
        };
        let pass = self.gate.decide(visit, read.as_ref()).await?;
        let sent = Instant::now();
        self.metrics.gate.passed(&pass, sent - began);
        let body = match (read, body.take()) {
            (None, Some(body)) => RequestBody::Streamed(body, None),
            (read, _) => RequestBody::Read(read),
        };
        // Boxed, because it is large and moves with the answer's body.
        Ok((Box::new(Running { pass, flight, sent }), body))
    }

    /// Sends a request that may pass to the upstream, under the id that comes with the answer.
    async fn send(
        &self,
        head: &mut Parts,
        body: RequestBody,
        peer: &Peer,
        protocol: Option<HeaderValue>,
        running: &Running,
    ) -> Result<(Answered, RequestId), Box<Answer>> {
        // What our own answer would be about, should there be none from the upstream.
        let target = head.uri.clone();
        let kind = head.headers.get(CONTENT_TYPE).cloned();
        let id = self.forward.request(head, peer);
        let switches = protocol.is_some();
        if let Some(protocol) = protocol {
            upgrade::name(&mut head.headers, protocol);
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = std::mem::replace(&mut head.uri, target);
        *request.headers_mut() = std::mem::take(&mut head.headers);
        let failed = match self.upstreams.send(request, self.patience(running.pass.route())).await {
            Ok(answered) if switches || !is_switched(&answered) => return Ok((answered, id)),
            Ok(_) => SendError::Switched,
            Err(error) => error,
        };
        let route = self.metrics.route(running.pass.route());
        if failed.is_upstreams() {
            route.upstream_failures.inc();
            let request_id = id.as_str();
            tracing::warn!(route = route.name, request_id, error = %failed, "no answer from the upstream");
        }
        head.headers.insert(RequestId::HEADER, id.as_header().clone());
        head.headers.extend(kind.map(|kind| (CONTENT_TYPE, kind)));
        Err(running.pass.refused(failed.into(), head))
    }

    fn patience(&self, route: RouteId) -> Patience {
        self.patiences[route.index()]
    }

    /// Counts an answer of ours, and logs it if it is a denial.
    fn count(&self, answer: &Answer) {
        self.metrics.gate.answered(answer);
        match &answer.reason {
            Reason::Denied(denied) => {
                let (route, limit) =
                    (&self.metrics.route(answer.route).name, self.gate.policy().limit(denied.limit).name());
                self.denials.write(route, limit, &denied.key, &answer.response);
            }
            Reason::Refused(refusal) => {
                let store = answer.store_error.as_ref().map(tracing::field::display);
                tracing::debug!(code = refusal.code(), %refusal, store, "refused");
            }
        }
    }
}

impl Flight {
    fn begin(proxy: Rc<Proxy>, route: RouteId) -> Flight {
        proxy.metrics.route(route).in_flight.inc();
        Flight { proxy, route }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.proxy.metrics.route(self.route).in_flight.dec();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let route = self.flight.proxy.metrics.route(self.flight.route);
        route.upstream_duration.observe(self.sent.elapsed());
    }
}

impl From<BadHead> for Refusal {
    fn from(bad: BadHead) -> Refusal {
        Refusal::BadRequest(match bad {
            BadHead::Host => "The request must name its host in exactly one Host header",
            BadHead::NoHost => {
                "The Host header must name a host, with a port or without, as models.example:8080 does"
            }
            BadHead::Target => "The request's target must be a path or an http URL",
        })
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        match error {
            ReadError::TooLarge { limit } => Refusal::BodyTooLarge { limit },
            ReadError::Stalled => Refusal::ClientStalled,
            ReadError::Broken => Refusal::BadRequest("The body is malformed or ended early"),
        }
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Refusal {
        match error {
            SendError::Connect(_) | SendError::Broken(_) | SendError::Reset(_) | SendError::Switched => {
                Refusal::UpstreamDown
            }
            SendError::ConnectTimeout | SendError::ResponseTimeout => Refusal::UpstreamTimeout,
            SendError::ClientStalled => Refusal::ClientStalled,
            SendError::ClientBody(_) => Refusal::BadRequest("The body is malformed or ended early"),
        }
    }
}

/// The upstream's answer, with what the policy adds to it.
fn relay(answered: Answered, id: &RequestId, running: Box<Running>, switch: &Switch) -> Response<AnswerBody> {
    let is_switched = is_switched(&answered);
    let Answered { response, exchange } = answered;
    let (mut head, incoming) = response.into_parts();
    let protocol = head.headers.remove(UPGRADE);
    forward::response(&mut head, id);
    running.pass.apply(&mut head.headers);
    if is_switched {
        protocol.into_iter().for_each(|protocol| upgrade::name(&mut head.headers, protocol));
        switch.put(Tunnel { exchange, _running: running });
        return Response::from_parts(head, AnswerBody::Own(None));
    }
    Response::from_parts(head, AnswerBody::upstream(incoming, exchange, running))
}

fn is_switched(answered: &Answered) -> bool {
    answered.response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// An answer of ours, beside which the rest of the request is forgotten.
fn own(answer: Answer, body: Option<ClientBody>, rest: Rest, is_head: bool) -> Response<AnswerBody> {
    let mut response = answer.response;
    if is_head && rest == Rest::Apart {
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
