//! What the store counts, asked when the metrics are.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use sluicegate::Outage;
use sluicegate_policy::Gate;
use sluicegate_stores::AnyStore;

/// What the store counts. All series exist from the start, whichever store it is.
#[derive(Debug)]
pub(crate) struct StoreMetrics(Arc<Gate<AnyStore>>);

impl StoreMetrics {
    pub(crate) fn of(gate: &Arc<Gate<AnyStore>>) -> StoreMetrics {
        StoreMetrics(Arc::clone(gate))
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = self.0.store().figures();
        for (name, value, help) in [
            ("store_up", usize::from(figures.up), "Whether the store answers, as far as is known: 1 or 0"),
            ("live_keys", figures.live_keys, "Accounts in this process's memory"),
            (
                "live_leases",
                figures.live_leases,
                "Requests that hold slots of concurrent limits in a store elsewhere",
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, value, help) in [
            ("store_takes", figures.takes, "Takes that a store elsewhere was asked for"),
            ("store_round_trips", figures.round_trips, "Calls of a store elsewhere: requests share them"),
            ("store_errors", figures.errors, "Calls of the store that failed, by a late answer or none"),
            ("store_outages", figures.outages, "How often the store stopped answering"),
            (
                "remembered_denials",
                figures.remembered_denials,
                "Denials by a store elsewhere that were answered from memory, because an earlier one still held",
            ),
            (
                "lost_settlements",
                figures.lost_settlements,
                "Settlements that did not reach the store in time: the estimates stay charged",
            ),
            (
                "evictions",
                figures.evictions,
                "Accounts forgotten for want of room before they had earned back what they spent",
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "Requests that were decided without the store, because it did not answer";
        let mut family = encoder.encode_descriptor("outage_decisions", help, None, MetricType::Counter)?;
        for (outage, value) in [
            (Outage::Local, figures.decided_locally),
            (Outage::Allow, figures.allowed),
            (Outage::Deny, figures.refused),
        ] {
            let labels = [("outage", outage.as_str())];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
