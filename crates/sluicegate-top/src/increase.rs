//! The growth of counters from one scrape to the next.

use std::time::Duration;

use crate::{
    exposition::{Exposition, Labels},
    histogram::Histogram,
};

/// The growth of counters between two scrapes, per second.
///
/// A counter that is smaller than before has begun anew with a restarted gateway, so its value is its growth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Increase<'a> {
    pub(crate) before: &'a Exposition,
    pub(crate) now: &'a Exposition,
    pub(crate) elapsed: Duration,
}

impl Increase<'_> {
    /// The growth of all series of a counter that have these labels.
    pub(crate) fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        // The sum of no series would be -0.
        let growth = self.grown(name, labels).fold(0.0, |sum, (_, growth)| sum + growth);
        if seconds > 0.0 { growth / seconds } else { 0.0 }
    }

    /// The observations since then of a histogram, over all of its series that have these labels.
    pub(crate) fn observed(&self, name: &str, labels: &[(&str, &str)]) -> Histogram {
        let mut histogram = Histogram::default();
        for (series, growth) in self.grown(&format!("{name}_bucket"), labels) {
            if let Some(bound) = series.get("le").and_then(|bound| bound.parse().ok()) {
                histogram.add(bound, growth);
            }
        }
        histogram
    }

    fn grown(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = (&Labels, f64)> {
        self.now.series(name).filter(|(series, _)| have(series, labels)).map(move |(series, value)| {
            let before = self.before.value(name, series).filter(|before| *before <= value);
            (series, value - before.unwrap_or_default())
        })
    }
}

/// Returns `true` if a series has these labels, among others.
pub(crate) fn have(series: &Labels, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| series.get(*name).is_some_and(|known| known == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(before: &str, now: &str, labels: &[(&str, &str)]) -> f64 {
        let [before, now] = [before, now].map(|text| Exposition::parse(text).unwrap());
        Increase { before: &before, now: &now, elapsed: Duration::from_secs(2) }.rate("asked", labels)
    }

    #[test]
    fn a_rate_is_the_growth_per_second_of_the_series_with_the_labels() {
        let before =
            "asked{route=\"/a\",tier=\"x\"} 10\nasked{route=\"/a\",tier=\"y\"} 0\nasked{route=\"/b\"} 0\n";
        let now =
            "asked{route=\"/a\",tier=\"x\"} 16\nasked{route=\"/a\",tier=\"y\"} 2\nasked{route=\"/b\"} 9\n";
        assert_eq!(rate(before, now, &[("route", "/a")]), 4.0);
        assert_eq!(rate(before, now, &[("route", "/a"), ("tier", "y")]), 1.0);
        assert_eq!(rate(before, now, &[("route", "/none")]), 0.0);
    }

    #[test]
    fn a_counter_that_began_anew_has_grown_by_its_value() {
        assert_eq!(rate("asked 1000", "asked 4", &[]), 2.0);
        assert_eq!(rate("", "asked 4", &[]), 2.0, "a reload brought its series");
    }

    #[test]
    fn quantiles_are_those_of_the_time_between_and_not_since_the_start() {
        let before = Exposition::parse("took_bucket{le=\"1\"} 100\ntook_bucket{le=\"+Inf\"} 100\n").unwrap();
        let now = "took_bucket{le=\"1\"} 100\ntook_bucket{le=\"3\"} 110\ntook_bucket{le=\"+Inf\"} 110\n";
        let now = Exposition::parse(now).unwrap();
        let increase = Increase { before: &before, now: &now, elapsed: Duration::from_secs(1) };
        assert!(increase.observed("took", &[]).quantile(0.5).unwrap() > 1.0);
    }
}
