//! A histogram of durations.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// A histogram of durations. Clones share it. Unlike that of the metrics library it takes no lock, because every
/// request of every thread is in it.
#[derive(Clone, Debug)]
pub struct Durations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Upper bounds in seconds, ascending. The last bucket counts longer durations.
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    /// Of all durations: enough for five hundred years of them.
    nanoseconds: AtomicU64,
}

impl Durations {
    /// An empty histogram with these upper bounds in seconds, ascending, and one more bucket for longer durations.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Shared { bounds, counts, nanoseconds: AtomicU64::new(0) }))
    }

    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let shared = &*self.0;
        let seconds = duration.as_secs_f64();
        let bucket = shared.bounds.partition_point(|bound| *bound < seconds);
        shared.counts[bucket].fetch_add(1, Relaxed);
        shared.nanoseconds.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl Durations {
    /// The upper bound of the bucket that a duration is counted in, in seconds. `None` for the last.
    pub(crate) fn bound(&self, duration: Duration) -> Option<f64> {
        let seconds = duration.as_secs_f64();
        self.0.bounds.iter().copied().find(|bound| *bound >= seconds)
    }
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let shared = &*self.0;
        let bounds = shared.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(&shared.counts).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        // Their sum, so that the count and the last bucket are never told apart while requests go on.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(shared.nanoseconds.load(Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it_and_in_all_above() {
        let durations = Durations::new(&[0.001, 0.5]);
        for micros in [10, 1_000, 1_001, 2_000_000] {
            durations.observe(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("d", "D", durations);
        let mut written = String::new();
        text::encode(&mut written, &registry).unwrap();
        let expected = "# HELP d D.\n# TYPE d histogram\nd_sum 2.002011\nd_count 4\nd_bucket{le=\"0.001\"} 2\n\
                        d_bucket{le=\"0.5\"} 3\nd_bucket{le=\"+Inf\"} 4\n# EOF\n";
        assert_eq!(written, expected);
    }
}
