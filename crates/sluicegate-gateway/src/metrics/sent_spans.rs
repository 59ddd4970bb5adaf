//! The spans sent to the collector, as metrics.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use sluicegate_telemetry::SpanQueue;

/// The spans sent to the collector, read when the metrics are written.
#[derive(Debug)]
pub(super) struct SentSpans(pub(super) Arc<SpanQueue>);

impl Collector for SentSpans {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, count) in [
            ("telemetry_spans", "Spans that the collector has accepted", self.0.sent()),
            (
                "telemetry_dropped_spans",
                "Spans that were dropped, because the collector was away too long or refused them",
                self.0.dropped(),
            ),
        ] {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(family)?;
        }
        Ok(())
    }
}
