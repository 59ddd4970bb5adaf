//! The upstreams, as metrics.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::upstream::Health;

/// The state of the upstreams, read when the metrics are written. A reload may replace them.
#[derive(Clone, Debug)]
pub(super) struct Upstreams(pub(super) Arc<RwLock<Arc<[Arc<Health>]>>>);

impl Upstreams {
    pub(super) fn replace(&self, healths: &Arc<[Arc<Health>]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(healths);
    }
}

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut healths = self.0.read().unwrap_or_else(PoisonError::into_inner).to_vec();
        healths.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        for (name, help, value) in UPSTREAM_GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for health in &healths {
                let gauge = ConstGauge::new(i64::try_from(value(health)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("upstream", health.name())])?)?;
            }
        }
        let help = "Requests that each upstream did not accept or answer, including those that another one then served";
        let name = "upstream_failed_attempts";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for health in &healths {
            let counter = ConstCounter::new(health.failures());
            counter.encode(family.encode_family(&[("upstream", health.name())])?)?;
        }
        Ok(())
    }
}

/// A number that is known of an upstream.
type Figure = fn(&Health) -> u64;

/// Each with its name and help.
const UPSTREAM_GAUGES: [(&str, &str, Figure); 2] = [
    ("upstream_healthy", "1 if the upstream gets requests, 0 while it is ejected or down", |health| {
        u64::from(health.is_well())
    }),
    ("upstream_in_flight", "Requests at each upstream", Health::in_flight),
];
