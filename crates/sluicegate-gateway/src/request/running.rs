//! Requests on their way.

use std::{mem, rc::Rc, sync::Arc, task::Context, time::SystemTime};

use bytes::Bytes;
use http::{header::CONTENT_LENGTH, response};
use prometheus_client::metrics::gauge::Gauge;
use sluicegate::{StoreError, SystemClock, Timestamp};
use sluicegate_http::{Admission, Admitted, Cut, Metering, Settling, decision_log::Logged};
use sluicegate_policy::{Form, Pass, Refusal, Repetition, RequestId, Reservation, RouteId, UsageStripper};
use sluicegate_stores::AnyStore;
use tokio::runtime::Handle;

use crate::{
    metrics::{Metrics, RouteMetrics},
    request::{body::BodyMetering, forward, upstream_refusal},
    upstream::SendError,
};

/// A request that may pass, on its way through the upstream. It is dropped when its response has been sent or its client has
/// left, which gives back its slots.
pub(crate) struct Running {
    /// Taken when it is dropped.
    pass: Option<Box<Pass<AnyStore>>>,
    form: Form,
    decided: Timestamp,
    metering: Metering<AnyStore>,
    /// Its place in the decision log, if there is one.
    logged: Option<Box<Logged>>,
    /// The usage of its stream is asked for, though its client has not.
    asks_for_usage: bool,
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
}

impl Running {
    pub(crate) fn new(admitted: Admitted<AnyStore>, flight: Flight) -> Self {
        let Admitted { pass, form, decided, logged } = admitted;
        let (pass, metering) = (Some(pass), Metering::default());
        Self { pass, form, decided, metering, logged, asks_for_usage: false, flight }
    }

    /// The form in which the client expects an answer of ours.
    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    /// The tokens that it has reserved, if its route meters tokens.
    pub(crate) fn reservation(&self) -> Option<&Reservation> {
        self.pass.as_ref()?.reservation()
    }

    /// Has the upstream asked for the usage of a stream, where the client has not. Returns the request's body with that.
    pub(crate) fn ask_for_usage(&mut self, body: &Bytes) -> Option<Bytes> {
        let reservation = self.pass.as_ref()?.reservation()?;
        let asking = reservation.asking_for_usage(body)?;
        self.asks_for_usage = true;
        Some(asking)
    }

    /// Returns the way to meter the body of the response with this head. The length of one that loses bytes is unknown.
    pub(crate) fn body_metering(&self, head: &mut response::Parts) -> Option<BodyMetering> {
        self.reservation()?;
        // What is in a coding passes as it is: usage cannot be taken out of that.
        let is_stripped = self.asks_for_usage && self.metering.is_plain_event_stream();
        if is_stripped {
            head.headers.remove(CONTENT_LENGTH);
        }
        Some(BodyMetering { stripper: is_stripped.then(UsageStripper::default) })
    }

    /// The event that the last data was, if it was one alone that repeats an earlier one with another text.
    #[inline]
    pub(crate) fn repetition(&self) -> Option<Repetition> {
        self.metering.repetition()
    }

    /// Takes more tokens for an answer that is longer than what was reserved. Returns the last bytes of a stream that is to be
    /// cut.
    #[inline]
    pub(crate) fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let pass = self.pass.as_mut()?;
        if !self.metering.is_to_be_extended(pass) {
            return None;
        }
        self.extend_now(cx)
    }

    #[inline(never)]
    fn extend_now(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let admission = &self.flight.serving.admission;
        let pass = self.pass.as_mut()?;
        let Cut { limit, last } = admission.extend(pass, &mut self.metering, self.logged.as_deref(), cx)?;
        let (limit, route) = (admission.gate().policy().limit(limit).name(), &self.flight.metrics().name);
        tracing::info!(limit, route, "a stream is cut, because its tokens are spent");
        Some(last)
    }

    /// Learns that no response will come. Returns the refusal that the client gets instead.
    pub(crate) fn failed(&mut self, error: SendError) -> Refusal {
        if !error.is_after_work() {
            self.metering = Metering::Unserved;
        }
        let refusal = Refusal::from(error);
        if let Some(logged) = &mut self.logged {
            logged.failed(&refusal);
        }
        refusal
    }

    /// Learns of the head of the upstream's response.
    pub(crate) fn answered(&mut self, head: &response::Parts) {
        if let Some(pass) = &self.pass {
            self.metering.answered(pass, head);
        }
        if let Some(logged) = &mut self.logged {
            logged.answered(head.status);
        }
    }

    /// Sees data of the upstream's response.
    pub(crate) fn data(&mut self, data: &Bytes) {
        self.metering.data(data);
    }

    /// Learns that all of the response has come.
    pub(crate) fn ended(&mut self) {
        self.metering.complete();
        self.switched();
    }

    /// Learns that the response has no body, because the connection switches to another protocol.
    pub(crate) fn switched(&mut self) {
        if let Some(logged) = &mut self.logged {
            logged.complete();
        }
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
        if let Some(pass) = &self.pass {
            self.flight.serving.admission.renderer().lines(pass, &self.form).move_to(&mut head.headers);
        }
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
        self.flight.metrics().upstream_duration.observe(admission.since(self.decided));
        let Some(pass) = self.pass.take() else { return };
        if let Err(error) =
            admission.settle(pass, mem::take(&mut self.metering), self.logged.take(), settle_later)
        {
            unsettled(&error);
        }
    }
}
