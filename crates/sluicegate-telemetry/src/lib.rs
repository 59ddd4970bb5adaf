//! Traces and metrics for OpenTelemetry. It does no I/O: a way in makes spans and sends what this crate writes.
//!
//! * [`Tracer`] reads the W3C trace context of a request, and decides whether the request is recorded.
//! * [`Span`] is a record of one operation, and [`SpanQueue`] holds those that have ended until they are sent.
//! * [`Metric`] is a metric as it is sent, and [`read_open_metrics`] reads those of a registry.
//! * `otlp`, with the feature of that name, writes them in OpenTelemetry's protocol.
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::{HeaderMap, HeaderValue};
//! use sluicegate_telemetry::{SpanQueue, Tracer, Tracing};
//!
//! let tracer = Tracer::new(0.0, Arc::new(SpanQueue::default()));
//! let mut headers = HeaderMap::new();
//! let sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
//! headers.insert("traceparent", HeaderValue::from_static(sampled));
//! let Tracing::Recorded(recorded) = tracer.trace(&headers) else { panic!("its caller records it") };
//! assert_eq!(recorded.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
//! assert_eq!(recorded.parent.map(|parent| parent.to_string()).as_deref(), Some("00f067aa0ba902b7"));
//! ```

mod context;
mod metric;
mod open_metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
mod queue;
mod span;
mod tracer;

pub use context::{SpanId, TraceContext, TraceId};
pub use metric::{Distribution, Exemplar, Metric, Number, Point, Points};
pub use open_metrics::read_open_metrics;
pub use queue::{Batch, SpanQueue};
pub use span::{Attribute, Span, SpanKind};
pub use tracer::{Recorded, Tracer, Tracing};
