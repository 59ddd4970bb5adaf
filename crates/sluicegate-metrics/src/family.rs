//! A family of series, in the order of their labels.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

/// The series of one metric, told apart by their labels. Clones share them.
///
/// Unlike that of the metrics library it writes them in the order of their labels, so that two scrapes can be compared
/// line by line. They are kept in that order: a scrape sorts nothing.
#[derive(Clone, Debug)]
pub struct Family<L, M> {
    series: Arc<RwLock<BTreeMap<L, M>>>,
    begin: fn() -> M,
}

impl<L: Clone + Ord, M: Clone> Family<L, M> {
    /// A family without series. Each is begun by `begin`.
    #[must_use]
    pub fn new(begin: fn() -> M) -> Self {
        Self { series: Arc::default(), begin }
    }

    /// The series with these labels, which begins now if there is none. Keep it: looking it up takes a lock.
    #[must_use]
    pub fn series(&self, labels: &L) -> M {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.entry(labels.clone()).or_insert_with(self.begin).clone()
    }

    /// Forgets a series. What still counts in it is written no more.
    pub fn remove(&self, labels: &L) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).remove(labels);
    }
}

impl<L: Clone + Ord, M: Clone + Default> Default for Family<L, M> {
    fn default() -> Self {
        Self::new(M::default)
    }
}

impl<L, M> EncodeMetric for Family<L, M>
where
    L: EncodeLabelSet,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.iter().try_for_each(|(labels, metric)| metric.encode(encoder.encode_family(labels)?))
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.series.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
