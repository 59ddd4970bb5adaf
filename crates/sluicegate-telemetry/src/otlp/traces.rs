//! Spans in OTLP.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    trace::v1::{self, ResourceSpans, ScopeSpans, SpanFlags, Status, span, status::StatusCode},
};
use prost::Message;

use super::{
    Refused, Resource,
    value::{attribute, unix_nanos},
};
use crate::{Span, SpanKind};

/// Writes spans as a request to `/v1/traces`.
#[must_use]
pub fn traces(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let scope_spans = ScopeSpans {
        scope: Some(Resource::scope()),
        spans: spans.iter().map(message).collect(),
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        resource: Some(resource.message()),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// Reads what the response to such a request refused. A response that cannot be read refuses nothing.
#[must_use]
pub fn refused_spans(response: &[u8]) -> Refused {
    let response = ExportTraceServiceResponse::decode(response).unwrap_or_default();
    let partial = response.partial_success.unwrap_or_default();
    Refused::new(partial.rejected_spans, partial.error_message)
}

fn message(span: &Span) -> v1::Span {
    let remote = if span.has_remote_parent { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    let status = Status {
        code: if span.is_error { StatusCode::Error } else { StatusCode::Unset }.into(),
        ..Status::default()
    };
    v1::Span {
        trace_id: span.trace.get().to_be_bytes().to_vec(),
        span_id: span.id.get().to_be_bytes().to_vec(),
        trace_state: span.state.clone(),
        parent_span_id: span.parent.map(|parent| parent.get().to_be_bytes().to_vec()).unwrap_or_default(),
        // Every span that is sent is recorded, and whether its parent is remote is known of all.
        flags: 1 | SpanFlags::ContextHasIsRemoteMask as u32 | remote,
        name: span.name.clone(),
        kind: match span.kind {
            SpanKind::Server => span::SpanKind::Server,
            SpanKind::Client => span::SpanKind::Client,
        }
        .into(),
        start_time_unix_nano: unix_nanos(span.start),
        end_time_unix_nano: unix_nanos(span.end),
        attributes: span.attributes.iter().map(|(name, value)| attribute(name, value.clone())).collect(),
        status: Some(status),
        ..v1::Span::default()
    }
}
