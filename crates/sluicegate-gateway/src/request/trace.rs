//! The spans of one request.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode, Version, header::HOST, request::Parts, uri::Authority};
use sluicegate_metrics::Exemplar;
use sluicegate_policy::{
    Caller, Denied, Pass, Policy, Refusal, Rejection, RequestId, Reservation, RouteId, Settlement, Upstream,
};
use sluicegate_stores::AnyStore;
use sluicegate_telemetry::{Recorded, Span, SpanKind, SpanQueue, TraceContext, Tracer, Tracing};

use crate::{
    request::forward::Peer,
    telemetry::gen_ai::{self, Operation},
};

/// A request as tracing sees it.
#[derive(Default)]
pub(crate) enum Traced {
    /// Its headers go on as they are.
    #[default]
    Not,
    /// The next service is told that it is not recorded. Boxed, because each request has room for it.
    Unrecorded(Box<TraceContext>),
    /// It is recorded.
    Recorded(Box<Trace>),
}

/// The spans of a recorded request. They end when it is dropped.
pub(crate) struct Trace {
    queue: Arc<SpanQueue>,
    recorded: Recorded,
    server: Span,
    /// Once it is handed to the upstream.
    call: Option<Span>,
    /// The time of the response's first data, if it asks for a stream.
    first_data: Option<SystemTime>,
    streams: bool,
    is_complete: bool,
}

impl Traced {
    /// Begins to record a request, if it is recorded.
    #[cold]
    pub(crate) fn begin(tracer: &Tracer, head: &Parts, peer: &Peer) -> Self {
        match tracer.trace(&head.headers) {
            Tracing::PassedOn => Self::Not,
            Tracing::Unrecorded(context) => Self::Unrecorded(Box::new(context)),
            Tracing::Recorded(recorded) => {
                Self::Recorded(Box::new(Trace::begin(Arc::clone(tracer.queue()), recorded, head, peer)))
            }
        }
    }

    /// Learns of its route and caller.
    #[inline]
    pub(crate) fn entered(&mut self, policy: &Policy, route: RouteId, caller: &Caller) {
        if let Self::Recorded(trace) = self {
            trace.entered(policy, route, caller);
        }
    }

    /// Learns that it may not pass. The spans end.
    pub(crate) fn rejected(self, policy: &Policy, rejection: &Rejection, status: StatusCode, id: &RequestId) {
        if let Self::Recorded(mut trace) = self {
            trace.rejected(policy, rejection, status, id);
        }
    }

    /// Learns that it is handed to the upstream with this head, in which it writes the trace context.
    #[inline]
    pub(crate) fn sent(&mut self, policy: &Policy, pass: &Pass<AnyStore>, head: &mut Parts, id: &RequestId) {
        match self {
            Self::Not => {}
            Self::Unrecorded(context) => Tracing::Unrecorded(**context).write(&mut head.headers),
            Self::Recorded(trace) => trace.sent(policy, pass, head, id),
        }
    }

    /// Learns of the head of the upstream's response.
    #[inline]
    pub(crate) fn answered(&mut self, status: StatusCode, upstream: &Upstream) {
        if let Self::Recorded(trace) = self {
            trace.answered(status, upstream);
        }
    }

    /// Learns that the upstream does not respond.
    pub(crate) fn failed(&mut self, refusal: &Refusal) {
        if let Self::Recorded(trace) = self {
            trace.failed(refusal);
        }
    }

    /// Learns that data of the response has come.
    #[inline]
    pub(crate) fn data(&mut self) {
        if let Self::Recorded(trace) = self
            && trace.streams
            && trace.first_data.is_none()
        {
            trace.first_data = Some(SystemTime::now());
        }
    }

    /// Learns that all of the response has come.
    #[inline]
    pub(crate) fn completed(&mut self) {
        if let Self::Recorded(trace) = self {
            trace.is_complete = true;
        }
    }

    /// The exemplar of its time at the upstream, if it is recorded.
    #[inline]
    pub(crate) fn exemplar(&self, took: Duration) -> Option<Exemplar> {
        let Self::Recorded(trace) = self else { return None };
        let Recorded { trace, span, .. } = &trace.recorded;
        Some(Exemplar { trace: trace.get(), span: span.get(), duration: took, time: SystemTime::now() })
    }

    /// Learns of the tokens that it is charged for.
    pub(crate) fn settled(&mut self, reservation: &Reservation, settlement: &Settlement) {
        if let Self::Recorded(trace) = self {
            trace.settled(reservation, settlement);
        }
    }
}

impl Trace {
    fn begin(queue: Arc<SpanQueue>, recorded: Recorded, head: &Parts, peer: &Peer) -> Self {
        let now = SystemTime::now();
        let mut server = Span {
            trace: recorded.trace,
            id: recorded.span,
            parent: recorded.parent,
            has_remote_parent: recorded.parent.is_some(),
            state: recorded.state.clone(),
            kind: SpanKind::Server,
            name: method(&head.method).to_owned(),
            start: now,
            end: now,
            attributes: Vec::with_capacity(16),
            is_error: false,
        };
        server.set("http.request.method", method(&head.method));
        if method(&head.method) == OTHER_METHOD {
            server.set("http.request.method_original", head.method.to_string());
        }
        server.set("url.scheme", peer.scheme);
        server.set("url.path", head.uri.path().to_owned());
        server.set("network.protocol.version", version(head.version));
        let host = head.uri.authority().cloned().or_else(|| {
            let host = head.headers.get(HOST)?;
            Authority::try_from(host.as_bytes()).ok()
        });
        if let Some(host) = host {
            let standard = if peer.scheme == "https" { 443 } else { 80 };
            server.set("server.address", host.host().to_owned());
            server.set("server.port", host.port_u16().unwrap_or(standard));
        }
        Self { queue, recorded, server, call: None, first_data: None, streams: false, is_complete: false }
    }

    fn entered(&mut self, policy: &Policy, route: RouteId, caller: &Caller) {
        self.routed(policy, route);
        let server = &mut self.server;
        if let Some(key) = &caller.api_key {
            server.set("sluicegate.tenant", key.tenant.clone());
        }
        if policy.tiers.are_named() {
            server.set("sluicegate.tier", policy.tiers.name(caller.tier).to_owned());
        }
    }

    fn routed(&mut self, policy: &Policy, route: RouteId) {
        if route != policy.routes.unmatched() {
            let label = policy.routes.get(route).label();
            self.server.name = format!("{} {label}", self.server.name);
            self.server.set("http.route", label.to_owned());
        }
    }

    fn rejected(&mut self, policy: &Policy, rejection: &Rejection, status: StatusCode, id: &RequestId) {
        if !self.server.attributes.iter().any(|(name, _)| name == "http.route") {
            self.routed(policy, rejection.route());
        }
        let server = &mut self.server;
        server.set("sluicegate.request_id", id.as_str().to_owned());
        match rejection {
            Rejection::Denied(denied) => {
                server.set("sluicegate.outcome", "denied");
                denial(server, policy, denied);
            }
            Rejection::Refused(refused) => {
                server.set("sluicegate.outcome", "refused");
                server.set("sluicegate.error", refused.refusal.code());
            }
            // The gate itself responds.
            Rejection::Preflight { .. } => server.set("sluicegate.outcome", "allowed"),
        }
        respond(server, status);
    }

    fn sent(&mut self, policy: &Policy, pass: &Pass<AnyStore>, head: &mut Parts, id: &RequestId) {
        let server = &mut self.server;
        server.set("sluicegate.request_id", id.as_str().to_owned());
        server.set("sluicegate.outcome", "allowed");
        for judgement in pass.judgements() {
            let name = policy.limit(judgement.limit).name();
            if !pass.denied_in_shadow().contains(&judgement.limit) {
                server.set(format!("sluicegate.charge.{name}"), judgement.charge.cost.units());
            }
        }
        let in_shadow: Vec<_> =
            pass.denied_in_shadow().iter().map(|id| policy.limit(*id).name().to_owned()).collect();
        if !in_shadow.is_empty() {
            server.set("sluicegate.shadow_denied_by", in_shadow);
        }
        let now = SystemTime::now();
        let mut call = Span {
            trace: self.recorded.trace,
            id: self.recorded.call,
            parent: Some(self.recorded.span),
            has_remote_parent: false,
            state: self.recorded.state.clone(),
            kind: SpanKind::Client,
            name: method(&head.method).to_owned(),
            start: now,
            end: now,
            attributes: Vec::with_capacity(16),
            is_error: false,
        };
        call.set("http.request.method", method(&head.method));
        if let Some(reservation) = pass.reservation() {
            let reserved = reservation.reserved();
            server.set("sluicegate.tokens.reserved", reserved.input.saturating_add(reserved.output));
            let estimate = reservation.estimate();
            self.streams = estimate.streams;
            if let Some(dialect) = reservation.dialect() {
                let operation = Operation::of(dialect, head.uri.path(), estimate);
                call.set("gen_ai.operation.name", operation.name);
                call.set("gen_ai.provider.name", operation.provider);
                call.name = operation.name.to_owned();
                if let Some(model) = gen_ai::model(estimate) {
                    call.name = format!("{} {model}", operation.name);
                    call.set("gen_ai.request.model", model.to_owned());
                }
                if estimate.streams {
                    call.set("gen_ai.request.stream", true);
                }
                if let Some(most) = estimate.max_output {
                    call.set("gen_ai.request.max_tokens", most);
                }
            }
        }
        self.call = Some(call);
        Tracing::Recorded(self.recorded.clone()).write(&mut head.headers);
    }

    fn answered(&mut self, status: StatusCode, upstream: &Upstream) {
        respond(&mut self.server, status);
        if let Some(call) = &mut self.call {
            call.set("server.address", upstream.host().to_owned());
            call.set("server.port", upstream.port());
            respond(call, status);
        }
    }

    fn failed(&mut self, refusal: &Refusal) {
        self.server.set("sluicegate.error", refusal.code());
        respond(&mut self.server, refusal.status());
        if let Some(call) = &mut self.call {
            call.set("error.type", refusal.code());
            call.is_error = true;
        }
    }

    fn settled(&mut self, reservation: &Reservation, settlement: &Settlement) {
        self.server.set("sluicegate.tokens.charged", reservation.charged(settlement));
        let (Some(call), Settlement::Used(actual)) = (&mut self.call, settlement) else { return };
        if reservation.dialect().is_none() || !actual.is_reported() {
            return;
        }
        for (name, tokens) in gen_ai::usage(&actual.usage) {
            if tokens > 0 || matches!(name, "input_tokens" | "output_tokens") {
                call.set(format!("gen_ai.usage.{name}"), tokens);
            }
        }
    }
}

impl Drop for Trace {
    /// The request has ended, or its client has left.
    fn drop(&mut self) {
        let now = SystemTime::now();
        self.server.end = now;
        let call = self.call.take().map(|mut call| {
            call.end = now;
            if let Some(first) = self.first_data {
                let waited = first.duration_since(call.start).unwrap_or_default();
                call.set("gen_ai.response.time_to_first_chunk", waited.as_secs_f64());
            }
            self.server.set("sluicegate.complete", self.is_complete);
            call
        });
        let empty = Span { state: String::new(), name: String::new(), attributes: Vec::new(), ..self.server };
        self.queue.push(std::iter::once(std::mem::replace(&mut self.server, empty)).chain(call));
    }
}

fn denial(server: &mut Span, policy: &Policy, denied: &Denied) {
    server.set("sluicegate.limit", policy.limit(denied.limit()).name().to_owned());
    server.set(
        "sluicegate.denied_by",
        denied.spent().map(|id| policy.limit(id).name().to_owned()).collect::<Vec<_>>(),
    );
    if let Some(seconds) = denied.retry_after() {
        server.set("sluicegate.retry_after", seconds);
    }
}

/// Records the status of a response. For a server's span it is only an error if the server is to blame.
fn respond(span: &mut Span, status: StatusCode) {
    span.set("http.response.status_code", status.as_u16());
    let is_error = status.is_server_error() || span.kind == SpanKind::Client && status.is_client_error();
    if is_error {
        span.is_error = true;
        span.set("error.type", status.as_str().to_owned());
    }
}

/// The method, if it is one of those that the conventions know.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        "QUERY" => "QUERY",
        _ => OTHER_METHOD,
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

const OTHER_METHOD: &str = "_OTHER";
