//! The learned ratio of the input that servers report to its estimate.

/// The learned ratio of the input that servers report to its estimate.
///
/// It is a moving average, and a margin of the mean deviation above it. A single request moves it by little: small ones count
/// less, and one that is far off counts as one that is less far off.
#[derive(Clone, Copy, Debug)]
pub struct InputCorrection {
    mean: f32,
    deviation: f32,
    samples: u32,
}

impl InputCorrection {
    /// The smallest factor and the largest.
    pub const BOUNDS: (f32, f32) = (0.5, 2.0);
    /// The requests after which the factor is known.
    pub const SAMPLES: u32 = 8;

    /// Learns from a request with this estimate. One without input says nothing.
    pub fn record(&mut self, estimated: u64, actual: u64) {
        if estimated == 0 || actual == 0 {
            return;
        }
        let ratio = (actual as f32 / estimated as f32).clamp(Self::BOUNDS.0, Self::BOUNDS.1);
        let reach = (self.mean / 4.0).max(2.0 * self.deviation);
        let ratio = if self.is_known() { ratio.clamp(self.mean - reach, self.mean + reach) } else { ratio };
        let size = (estimated as f32 / WHOLE).min(1.0);
        let step = size * (1.0 / (self.samples + 1) as f32).max(STEP);
        let error = ratio - self.mean;
        self.mean += step * error;
        if self.samples > 0 {
            self.deviation += step * (error.abs() - self.deviation);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Returns `true` if it has learned enough.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.samples >= Self::SAMPLES
    }

    /// The factor by which estimates are multiplied. 1 as long as it is not known.
    #[must_use]
    pub fn factor(&self) -> f32 {
        let learned = if self.is_known() { self.mean + self.deviation } else { 1.0 };
        learned.clamp(Self::BOUNDS.0, Self::BOUNDS.1)
    }
}

impl Default for InputCorrection {
    fn default() -> Self {
        Self { mean: 1.0, deviation: 0.0, samples: 0 }
    }
}

/// The weight of a request in the average.
const STEP: f32 = 1.0 / 16.0;
/// The estimate from which a request has its whole weight. In smaller ones the frame around the text decides.
const WHOLE: f32 = 256.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(actual: u64, times: u32) -> InputCorrection {
        let mut correction = InputCorrection::default();
        for _ in 0..times {
            correction.record(1000, actual);
        }
        correction
    }

    #[test]
    fn the_ratio_of_a_model_is_learned_within_its_bounds() {
        for (actual, factor) in [(1300, 1.3), (800, 0.8), (5000, 2.0), (10, 0.5), (1000, 1.0)] {
            let known = learned(actual, 200).factor();
            assert!((known - factor).abs() < 0.02, "{known} for {actual}");
        }
        assert_eq!(learned(1900, InputCorrection::SAMPLES - 1).factor(), 1.0);
    }

    #[test]
    fn the_margin_covers_most_of_what_varies() {
        let mut correction = InputCorrection::default();
        let ratio = |at: u64| 700 + at * 7919 % 600;
        (0..1000).for_each(|at| correction.record(1000, ratio(at)));
        let covered = (0..1000).filter(|at| ratio(*at) as f32 <= 1000.0 * correction.factor()).count();
        assert!((700..950).contains(&covered), "{covered}");
    }

    #[test]
    fn a_single_request_moves_it_by_little() {
        for (estimated, actual) in
            [(1000, 0), (1000, 1), (1000, u64::MAX), (u64::MAX, 1), (0, 1000), (1, 1000)]
        {
            let mut correction = learned(1000, 100);
            correction.record(estimated, actual);
            assert!(
                (correction.factor() - 1.0).abs() < 0.04,
                "{} after {actual} of {estimated}",
                correction.factor()
            );
        }
    }
}
