//! Requests on their way.

use std::{rc::Rc, sync::Arc, task::Context, time::SystemTime};

use bytes::Bytes;
use http::{request, response};
use prometheus_client::metrics::gauge::Gauge;
use sluicegate::{StoreError, SystemClock};
use sluicegate_http::{Admission, Admitted, BodyMetering, Cut, InFlight, Settling};
use sluicegate_policy::{Form, Refusal, Repetition, RequestId, Reservation, RouteId, Upstream};
use sluicegate_stores::AnyStore;
use sluicegate_telemetry::Tracer;
use tokio::runtime::Handle;

use crate::{
    metrics::{Metrics, RouteMetrics},
    request::{forward, trace::Traced, upstream_refusal},
    telemetry::inference::{Inference, Inferences},
    upstream::SendError,
};

/// A request that may pass, on its way through the upstream. It is dropped when its response has been sent or its client has
/// left, which gives back its slots.
pub(crate) struct Running {
    request: InFlight<AnyStore>,
    traced: Traced,
    /// The model's work, if it is counted for OpenTelemetry.
    inference: Option<Box<Inference>>,
    flight: Flight,
}

/// A request that has arrived and has no response yet.
pub(crate) struct Flight {
    serving: Rc<Serving>,
    route: RouteId,
}

/// The part of a proxy that its requests hold to their ends. Each worker has its own, so that counting holders shares no memory
/// with other threads.
pub(crate) struct Serving {
    pub(crate) admission: Arc<Admission<AnyStore, SystemClock>>,
    pub(crate) metrics: Arc<Metrics>,
    /// If traces are sent.
    pub(crate) tracer: Option<Tracer>,
    /// If metrics are sent.
    pub(crate) inferences: Option<Arc<Inferences>>,
}

impl Running {
    pub(crate) fn new(admitted: Admitted<AnyStore>, flight: Flight, traced: Traced) -> Self {
        Self { request: InFlight::new(admitted), traced, inference: None, flight }
    }

    /// Records that it is handed to the upstream with this head, in which it writes the trace context.
    pub(crate) fn sent(&mut self, head: &mut request::Parts, id: &RequestId) {
        let serving = &self.flight.serving;
        let Some(pass) = self.request.pass() else { return };
        if let (Some(inferences), Some(reservation)) = (&serving.inferences, pass.reservation()) {
            self.inference = inferences.begin(reservation, head.uri.path());
        }
        self.traced.sent(serving.admission.gate().policy(), pass, head, id);
    }

    /// The form in which the client expects an answer of ours.
    pub(crate) fn form(&self) -> &Form {
        self.request.form()
    }

    /// The tokens that it has reserved, if its route meters tokens.
    pub(crate) fn reservation(&self) -> Option<&Reservation> {
        self.request.reservation()
    }

    /// Has the upstream asked for the usage of a stream, where the client has not. Returns the request's body with that.
    pub(crate) fn ask_for_usage(&mut self, body: &Bytes) -> Option<Bytes> {
        self.request.ask_for_usage(body)
    }

    /// Returns the way to meter the body of the response with this head. The length of one that loses bytes is unknown.
    pub(crate) fn body_metering(&self, head: &mut response::Parts) -> Option<BodyMetering> {
        self.request.body_metering(head)
    }

    /// The event that the last data was, if it was one alone that repeats an earlier one with another text.
    #[inline]
    pub(crate) fn repetition(&self) -> Option<Repetition> {
        self.request.repetition()
    }

    /// Takes more tokens for an answer that is longer than what was reserved. Returns the last bytes of a stream that is to be
    /// cut.
    #[inline]
    pub(crate) fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let admission = &self.flight.serving.admission;
        let Cut { limit, last } = self.request.extend(admission, cx)?;
        let (limit, route) = (admission.gate().policy().limit(limit).name(), &self.flight.metrics().name);
        tracing::info!(limit, route, "a stream is cut, because its tokens are spent");
        Some(last)
    }

    /// Learns that no response will come. Returns the refusal that the client gets instead.
    pub(crate) fn failed(&mut self, error: SendError) -> Refusal {
        if !error.is_after_work() {
            self.request.unserved();
        }
        let refusal = Refusal::from(error);
        self.request.refused(&refusal);
        self.traced.failed(&refusal);
        if let Some(inference) = &mut self.inference {
            inference.failed(&refusal);
        }
        refusal
    }

    /// Learns of the head of the upstream's response.
    pub(crate) fn answered(&mut self, head: &response::Parts, upstream: &Upstream) {
        self.request.answered(head);
        self.traced.answered(head.status, upstream);
        if let Some(inference) = &mut self.inference {
            inference.answered(head.status, upstream);
        }
    }

    /// Sees data of the upstream's response.
    pub(crate) fn data(&mut self, data: &Bytes) {
        self.request.data(data);
        self.traced.data();
        if let Some(inference) = &mut self.inference {
            inference.data();
        }
    }

    /// Learns that all of the response has come.
    pub(crate) fn ended(&mut self) {
        self.request.complete();
        self.traced.completed();
    }

    /// Learns that the response has no body, because the connection switches to another protocol.
    pub(crate) fn switched(&mut self) {
        self.request.switched();
        self.traced.completed();
    }

    /// The route.
    pub(crate) fn route(&self) -> RouteId {
        self.flight.route
    }

    /// Counts the request while its client waits for the response no more.
    pub(crate) fn abandoned(&self) -> &Gauge {
        &self.flight.metrics().abandoned
    }

    /// Turns the head of the upstream's response into the one that the client gets.
    pub(crate) fn complete(&self, head: &mut response::Parts, id: &RequestId) {
        forward::response(head, id);
        if head.status.is_client_error() || head.status.is_server_error() {
            self.complete_refusal(head);
        }
        self.request.add_limits(&self.flight.serving.admission, &mut head.headers);
    }

    /// Counts an upstream's own refusal, and completes what it says of retries.
    fn complete_refusal(&self, head: &mut response::Parts) {
        if let Some(index) = upstream_refusal::refusal(head.status) {
            self.flight.metrics().upstream_refusals[index].inc();
        }
        let policy = self.flight.serving.admission.gate().policy();
        let wait = policy.routes.get(self.flight.route).forwarding().retry_after;
        upstream_refusal::complete(head, wait, SystemTime::now());
    }
}

/// Finishes a settlement beside the requests. When the gateway stops, the reservation stays charged.
fn settle_later(settling: Settling) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(async move {
            if let Err(error) = settling.await {
                unsettled(&error);
            }
        }));
    }
}

fn unsettled(error: &StoreError) {
    tracing::warn!(%error, "the tokens of a request stay charged as estimated");
}

impl Flight {
    pub(crate) fn begin(serving: &Rc<Serving>, route: RouteId) -> Self {
        let flight = Self { serving: Rc::clone(serving), route };
        flight.metrics().in_flight.inc();
        flight
    }

    fn metrics(&self) -> &RouteMetrics {
        self.serving.metrics.route(self.route)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.metrics().in_flight.dec();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let admission = &self.flight.serving.admission;
        let (route, took) = (self.flight.metrics(), admission.since(self.request.decided()));
        route.upstream_duration.observe(took);
        if let Some(exemplar) = self.traced.exemplar(took) {
            self.flight.serving.metrics.exemplify(route, exemplar);
        }
        let (traced, inference) = (&mut self.traced, self.inference.take());
        let settled = self.request.settle_and_tell(admission, settle_later, |reserved, settlement| {
            traced.settled(reserved, settlement);
            if let Some(inference) = inference {
                inference.ended(reserved, settlement);
            }
        });
        if let Err(error) = settled {
            unsettled(&error);
        }
    }
}
