//! Requests on their way.

use std::{rc::Rc, sync::Arc, time::SystemTime};

use http::response;
use prometheus_client::metrics::gauge::Gauge;
use sluicegate::SystemClock;
use sluicegate_http::{Admission, Admitted};
use sluicegate_policy::{Form, RequestId, RouteId};
use sluicegate_stores::AnyStore;

use crate::{
    metrics::{Metrics, RouteMetrics},
    request::{forward, upstream_refusal},
};

/// A request that may pass, on its way through the upstream. It is dropped when its response has been sent or its client has
/// left, which gives back its slots.
pub(crate) struct Running {
    admitted: Admitted<AnyStore>,
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
        Self { admitted, flight }
    }

    /// The form in which the client expects an answer of ours.
    pub(crate) fn form(&self) -> &Form {
        &self.admitted.form
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
        let Admitted { pass, form, .. } = &self.admitted;
        self.flight.serving.admission.renderer().lines(pass, form).move_to(&mut head.headers);
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
        let took = self.flight.serving.admission.since(self.admitted.decided);
        self.flight.metrics().upstream_duration.observe(took);
    }
}
