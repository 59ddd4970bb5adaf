//! Quantiles of a histogram.

/// The observations of a histogram: the upper bound of each bucket, and how many are at most that. Sorted by bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// Adds observations up to a bound.
    pub(crate) fn add(&mut self, bound: f64, observations: f64) {
        let place = self.buckets.partition_point(|(known, _)| *known < bound);
        match self.buckets.get_mut(place) {
            Some((known, sum)) if known.total_cmp(&bound).is_eq() => *sum += observations,
            _ => self.buckets.insert(place, (bound, observations)),
        }
    }

    /// Estimates the value that this share of the observations does not exceed: evenly within its bucket. Returns `None`
    /// without observations. Above the last finite bound, that bound is the answer.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let rank = all * share;
        let place = self.buckets.iter().position(|(_, count)| *count >= rank)?;
        let (lower, below) = match place.checked_sub(1) {
            Some(before) => self.buckets[before],
            None => (0.0, 0.0),
        };
        let (upper, count) = self.buckets[place];
        if upper.is_infinite() {
            return Some(lower);
        }
        let within = if count > below { (rank - below) / (count - below) } else { 1.0 };
        Some(lower + (upper - lower) * within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(f64, f64)]) -> Histogram {
        let mut histogram = Histogram::default();
        buckets.iter().for_each(|(bound, count)| histogram.add(*bound, *count));
        histogram
    }

    #[test]
    fn a_quantile_lies_evenly_within_its_bucket() {
        let histogram = histogram(&[(f64::INFINITY, 100.0), (1.0, 50.0), (3.0, 90.0)]);
        assert_eq!(histogram.quantile(0.25), Some(0.5));
        assert_eq!(histogram.quantile(0.7), Some(2.0));
        assert_eq!(histogram.quantile(0.99), Some(3.0), "nothing is known beyond the last bound");
    }

    #[test]
    fn there_is_no_quantile_of_nothing() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(histogram(&[(1.0, 0.0), (f64::INFINITY, 0.0)]).quantile(0.5), None);
    }

    #[test]
    fn series_with_the_same_bounds_are_added_up() {
        let parts = histogram(&[(1.0, 1.0), (f64::INFINITY, 1.0), (1.0, 3.0), (f64::INFINITY, 3.0)]);
        assert_eq!(parts, histogram(&[(1.0, 4.0), (f64::INFINITY, 4.0)]));
    }
}
