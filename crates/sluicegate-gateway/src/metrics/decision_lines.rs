//! The lines of the decision log, as metrics.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use sluicegate_http::decision_log::DecisionSink;

/// The lines of the decision log, read when the metrics are written.
#[derive(Debug)]
pub(super) struct DecisionLines(pub(super) Arc<DecisionSink>);

impl Collector for DecisionLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, count) in [
            ("decision_log_lines", "Lines written to the decision log", self.0.written()),
            (
                "decision_log_dropped",
                "Lines of the decision log that were dropped, because the disk was full or too slow",
                self.0.dropped(),
            ),
        ] {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(family)?;
        }
        Ok(())
    }
}
