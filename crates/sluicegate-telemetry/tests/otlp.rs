//! Spans and metrics, as the protocol's own messages read them.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http::HeaderMap;
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        },
        trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::any_value::Value,
    metrics::v1::{AggregationTemporality, metric::Data, number_data_point},
};
use prost::Message;
use sluicegate_telemetry::{
    Metric, Number, Recorded, Span, SpanKind, Tracer, Tracing,
    otlp::{Resource, metrics, refused_points, refused_spans, traces},
    read_open_metrics,
};

fn recorded() -> Recorded {
    let tracer = Tracer::new(1.0, Arc::default());
    match tracer.trace(&HeaderMap::new()) {
        Tracing::Recorded(recorded) => recorded,
        other => panic!("all are recorded, not {other:?}"),
    }
}

fn span(number: u64) -> Span {
    let recorded = recorded();
    Span {
        trace: recorded.trace,
        id: recorded.span,
        parent: None,
        has_remote_parent: false,
        state: String::new(),
        kind: SpanKind::Server,
        name: "GET".to_owned(),
        start: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_007),
        end: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_009),
        attributes: vec![("number".into(), number.into()), ("share".into(), 0.5.into())],
        is_error: true,
    }
}

#[test]
fn a_span_keeps_its_times_to_the_nanosecond_and_its_attributes_their_types() {
    let written = traces(&Resource::new("gate", "1.2", "7"), &[span(7), span(u64::MAX)]);
    let request = ExportTraceServiceRequest::decode(&*written).expect("it is OTLP");
    let [resource] = &request.resource_spans[..] else { panic!("there is one") };
    let attributes = &resource.resource.as_ref().expect("it is told").attributes;
    let names: Vec<_> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(names, ["service.name", "service.version", "service.instance.id"]);
    let [scope] = &resource.scope_spans[..] else { panic!("there is one") };
    let [one, other] = &scope.spans[..] else { panic!("there are two") };
    assert_eq!(
        (one.start_time_unix_nano, one.end_time_unix_nano),
        (1_700_000_000_000_000_007, 1_700_000_000_000_000_009)
    );
    assert!(one.parent_span_id.is_empty() && one.trace_id.len() == 16 && one.span_id.len() == 8);
    let value = |attribute: usize| one.attributes[attribute].value.as_ref().and_then(|it| it.value.clone());
    assert_eq!((value(0), value(1)), (Some(Value::IntValue(7)), Some(Value::DoubleValue(0.5))));
    let largest = other.attributes[0].value.as_ref().and_then(|value| value.value.clone());
    assert_eq!(largest, Some(Value::IntValue(i64::MAX)));
}

#[test]
fn a_collectors_partial_success_is_read() {
    let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".to_owned() };
    let response = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    assert_eq!((refused_spans(&response).count, refused_spans(&response).message), (3, "too old".to_owned()));
    let partial = ExportMetricsPartialSuccess { rejected_data_points: -1, error_message: String::new() };
    let response = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    assert_eq!(refused_points(&response).count, 0);
    assert_eq!(refused_spans(b"<html>").count, 0);
}

#[test]
fn metrics_are_cumulative_from_the_start() {
    let text = "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total{route=\"/\"} 3\n\
                # HELP up Up.\n# TYPE up gauge\nup 0.5\n\
                # HELP d_seconds D.\n# TYPE d_seconds histogram\nd_seconds_sum 2.5\nd_seconds_count 4\n\
                d_seconds_bucket{le=\"0.5\"} 3\nd_seconds_bucket{le=\"+Inf\"} 4\n# EOF\n";
    let (start, now) = (UNIX_EPOCH + Duration::from_secs(5), UNIX_EPOCH + Duration::from_secs(65));
    let read: Vec<Metric> = read_open_metrics(text);
    let written = metrics(&Resource::new("gate", "1.2", "7"), &read, start, now);
    let request = ExportMetricsServiceRequest::decode(&*written).expect("it is OTLP");
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let [requests, up, duration] = &metrics[..] else { panic!("there are three: {metrics:?}") };

    let Some(Data::Sum(sum)) = &requests.data else { panic!("it is a counter") };
    assert_eq!((requests.name.as_str(), requests.description.as_str()), ("a_requests", "Requests."));
    assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
    let point = &sum.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5_000_000_000, 65_000_000_000));
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    assert_eq!(point.attributes[0].key, "route");

    let Some(Data::Gauge(gauge)) = &up.data else { panic!("it is a gauge") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(0.5)));

    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("it is a histogram") };
    assert_eq!(
        (duration.unit.as_str(), histogram.aggregation_temporality()),
        ("s", AggregationTemporality::Cumulative)
    );
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, &point.explicit_bounds[..]), (4, Some(2.5), &[0.5][..]));
    assert_eq!(point.bucket_counts, [3, 1]);
    assert_eq!(Number::parse("1e3"), Some(Number::Real(1000.0)));
}
