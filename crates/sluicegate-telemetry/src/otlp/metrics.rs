//! Metrics in OTLP.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::KeyValue,
    metrics::v1::{
        self, AggregationTemporality, Gauge, Histogram, HistogramDataPoint, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point::Value,
    },
};
use prost::Message;

use super::{
    Refused, Resource,
    value::{attribute, unix_nanos},
};
use crate::{Attribute, Distribution, Exemplar, Metric, Number, Point, Points};

/// Writes metrics as a request to `/v1/metrics`. All have been counted from `start` to `now`.
#[must_use]
pub fn metrics(resource: &Resource, metrics: &[Metric], start: SystemTime, now: SystemTime) -> Vec<u8> {
    let span = TimeSpan { start: unix_nanos(start), now: unix_nanos(now) };
    let scope_metrics = ScopeMetrics {
        scope: Some(Resource::scope()),
        metrics: metrics.iter().map(|metric| span.message(metric)).collect(),
        ..ScopeMetrics::default()
    };
    let resource_metrics = ResourceMetrics {
        resource: Some(resource.message()),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }.encode_to_vec()
}

/// Reads what the response to such a request refused. A response that cannot be read refuses nothing.
#[must_use]
pub fn refused_points(response: &[u8]) -> Refused {
    let response = ExportMetricsServiceResponse::decode(response).unwrap_or_default();
    let partial = response.partial_success.unwrap_or_default();
    Refused::new(partial.rejected_data_points, partial.error_message)
}

/// The time in which values have been counted.
#[derive(Clone, Copy)]
struct TimeSpan {
    start: u64,
    now: u64,
}

impl TimeSpan {
    fn message(self, metric: &Metric) -> v1::Metric {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        let data = match &metric.points {
            Points::Counter(points) => Data::Sum(Sum {
                data_points: points.iter().map(|point| self.number(point, self.start)).collect(),
                aggregation_temporality,
                is_monotonic: true,
            }),
            // A value of now has no beginning.
            Points::Gauge(points) => {
                Data::Gauge(Gauge { data_points: points.iter().map(|point| self.number(point, 0)).collect() })
            }
            Points::Histogram(points) => Data::Histogram(Histogram {
                data_points: points.iter().map(|point| self.distribution(point)).collect(),
                aggregation_temporality,
            }),
        };
        v1::Metric {
            name: metric.name.to_string(),
            description: metric.description.to_string(),
            unit: metric.unit.to_owned(),
            data: Some(data),
            ..v1::Metric::default()
        }
    }

    fn number(self, point: &Point<Number>, start: u64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes(&point.attributes),
            start_time_unix_nano: start,
            time_unix_nano: self.now,
            value: Some(match point.value {
                Number::Whole(number) => Value::AsInt(number),
                Number::Real(number) => Value::AsDouble(number),
            }),
            ..NumberDataPoint::default()
        }
    }

    fn distribution(self, point: &Point<Distribution>) -> HistogramDataPoint {
        let Distribution { bounds, counts, sum, exemplars } = &point.value;
        HistogramDataPoint {
            attributes: attributes(&point.attributes),
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            count: counts.iter().sum(),
            sum: Some(*sum),
            bucket_counts: counts.clone(),
            explicit_bounds: bounds.clone(),
            exemplars: exemplars.iter().map(exemplar).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

fn attributes(attributes: &[(Cow<'static, str>, Attribute)]) -> Vec<KeyValue> {
    attributes.iter().map(|(name, value)| attribute(name, value.clone())).collect()
}

fn exemplar(exemplar: &Exemplar) -> v1::Exemplar {
    let Exemplar { trace, span, value, time } = exemplar;
    v1::Exemplar {
        trace_id: trace.get().to_be_bytes().to_vec(),
        span_id: span.get().to_be_bytes().to_vec(),
        time_unix_nano: unix_nanos(*time),
        value: Some(v1::exemplar::Value::AsDouble(*value)),
        ..v1::Exemplar::default()
    }
}
