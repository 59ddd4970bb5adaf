//! The life of one request.

use std::{rc::Rc, sync::Arc, time::Duration};

use http::{
    Request, Response, StatusCode,
    header::{CONNECTION, EXPECT, HeaderValue},
    request::Parts,
};
use hyper::body::Incoming;
use sluicegate_policy::RouteId;
use tokio::time::Instant;

use crate::{
    body::{AnswerBody, ClientBody, RequestBody, discard, read},
    client::Unread,
    forward::{self, Forward, Peer},
    gate::{Answer, Gate, Pass, Visit, answer},
    log::{DenialLine, DenialLog},
    metrics::Metrics,
    upstream::{Answered, Upstream},
};

/// What one worker needs to serve requests.
pub(crate) struct Proxy {
    pub(crate) gate: Arc<Gate>,
    pub(crate) forward: Forward,
    pub(crate) upstream: Rc<Upstream>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) denials: DenialLog,
    pub(crate) idle_timeout: Duration,
}

/// A request on its way through the upstream; dropped when its answer has been sent or nobody wants it any more. That
/// frees its slots.
pub(crate) struct Running {
    pass: Pass,
    flight: Flight,
    sent: Instant,
}

/// A request that has arrived and is not answered yet.
struct Flight {
    proxy: Rc<Proxy>,
    route: RouteId,
}

impl Proxy {
    /// Answers one request: with the upstream's answer, or with our own if it may not or cannot have one.
    pub(crate) async fn serve(
        self: &Rc<Self>,
        request: Request<Incoming>,
        peer: &Peer,
        unread: Unread,
    ) -> Response<AnswerBody> {
        let (mut head, incoming) = request.into_parts();
        let mut body = Some(ClientBody::new(incoming, unread));
        let awaits_go_ahead = head.headers.contains_key(EXPECT);
        match self.pass(&mut head, &mut body, peer).await {
            Ok((answered, running)) => relay(answered, running),
            Err(answer) => own(answer, body, awaits_go_ahead),
        }
    }

    /// Decides, and sends the request to the upstream. The body is left in `body` if nobody has taken it.
    async fn pass(
        self: &Rc<Self>,
        head: &mut Parts,
        body: &mut Option<ClientBody>,
        peer: &Peer,
    ) -> Result<(Answered, Running), Answer> {
        self.forward.normalize(head)?;
        let began = Instant::now();
        let visit = self.gate.enter(head, peer.ip).await.inspect_err(|answer| self.count(None, answer))?;
        let entering = began.elapsed();
        let flight = Flight::begin(Rc::clone(self), visit.route());
        let refused = |answer| {
            self.count(Some(&visit), &answer);
            answer
        };
        let read = match (visit.body_limit(), body.as_mut()) {
            (Some(limit), Some(body)) => {
                Some(read(body, limit, self.idle_timeout).await.map_err(|error| refused(error.into()))?)
            }
            _ => None,
        };
        let began = Instant::now();
        let pass = self.gate.decide(&visit, head, read.as_ref()).await.map_err(refused)?;
        self.metrics.decided_in((entering + began.elapsed()).as_secs_f64());
        self.metrics.route(visit.route()).tier(visit.tier()).allowed.inc();

        let body = match (read, body.take()) {
            (None, Some(body)) => RequestBody::Streamed(body, None),
            (read, _) => RequestBody::Read(read),
        };
        self.forward.request(head, peer);
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = std::mem::take(&mut head.uri);
        *request.headers_mut() = std::mem::take(&mut head.headers);
        let running = Running { pass, flight, sent: Instant::now() };
        match self.upstream.send(request).await {
            Ok(answered) if answered.response.status() != StatusCode::SWITCHING_PROTOCOLS => {
                Ok((answered, running))
            }
            Ok(_) => {
                Err(self.failed(visit.route(), &"it switched protocols unasked", StatusCode::BAD_GATEWAY))
            }
            Err(error) => Err(self.failed(visit.route(), &error, (&error).into())),
        }
    }

    fn failed(&self, route: RouteId, error: &dyn std::fmt::Display, status: StatusCode) -> Answer {
        let route = self.metrics.route(route);
        route.upstream_failures.inc();
        tracing::warn!(route = route.name, %error, "no answer from the upstream");
        answer(status, status.as_str())
    }

    /// Counts and logs an answer of ours.
    fn count(&self, visit: Option<&Visit>, answer: &Answer) {
        let route = self.metrics.route(visit.map_or(self.gate.policy.routes.unmatched(), Visit::route));
        let requests = route.tier(visit.map_or(self.gate.policy.tiers.default_tier(), Visit::tier));
        if !answer.denied {
            requests.refused.inc();
            return;
        }
        requests.denied.inc();
        self.denials.write(DenialLine { route: &route.name, limit: "", key: "", retry_after: None });
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
        route.upstream_duration.observe(self.sent.elapsed().as_secs_f64());
    }
}

/// The upstream's answer, with what the policy adds to it.
fn relay(answered: Answered, running: Running) -> Response<AnswerBody> {
    let Answered { response, exchange } = answered;
    let (mut head, incoming) = response.into_parts();
    forward::response(&mut head);
    running.pass.apply(&mut head.headers);
    Response::from_parts(head, AnswerBody::upstream(incoming, exchange, running))
}

/// An answer of ours, beside which the rest of the request is forgotten.
fn own(answer: Answer, body: Option<ClientBody>, awaits_go_ahead: bool) -> Response<AnswerBody> {
    let mut response = answer.response.map(|bytes| AnswerBody::Own(Some(bytes)));
    if body.is_some_and(|body| discard(body, awaits_go_ahead)) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
