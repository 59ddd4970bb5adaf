//! The learned output of requests that name no maximum.

use std::fmt;

/// The learned output of requests that name no maximum: a value that nine in ten do not exceed.
///
/// It is the quantile of the latest 200 outputs, which follows when they change. The level of the quantile moves a little with
/// each miss and each hit, so that nine in ten hold in the long run, however the outputs change.
#[derive(Clone)]
pub struct OutputForecast {
    /// The classes of the latest outputs. The oldest is overwritten.
    latest: Vec<u8>,
    oldest: usize,
    counts: [u8; CLASSES],
    /// Of the quantile, in ten thousandths.
    level: u32,
}

impl OutputForecast {
    /// The outputs after which the forecast is known.
    pub const SAMPLES: usize = 20;

    /// Learns from the output of one choice.
    pub fn record(&mut self, output: u64) {
        if let Some(forecast) = self.forecast() {
            let level = if output > forecast { self.level + 9 * LEVEL_STEP } else { self.level - LEVEL_STEP };
            self.level = level.clamp(LEVELS.0, LEVELS.1);
        }
        let class = class(output);
        if self.latest.len() < LATEST {
            self.latest.push(class);
        } else {
            let forgotten = std::mem::replace(&mut self.latest[self.oldest], class);
            self.counts[usize::from(forgotten)] -= 1;
            self.oldest = (self.oldest + 1) % LATEST;
        }
        self.counts[usize::from(class)] += 1;
    }

    /// The output that nine in ten do not exceed. `None` as long as it is not known.
    #[must_use]
    pub fn forecast(&self) -> Option<u64> {
        if self.latest.len() < Self::SAMPLES {
            return None;
        }
        let wanted = self.latest.len() as u64 * u64::from(self.level);
        let mut below = 0;
        for (class, count) in self.counts.iter().enumerate() {
            let count = 10_000 * u64::from(*count);
            if count > 0 && below + count >= wanted {
                let (least, most) = (least(class), least(class + 1) - 1);
                // Within a class, outputs are taken for evenly spread.
                return Some(least + ((most - least) * (wanted - below)).div_ceil(count));
            }
            below += count;
        }
        None
    }
}

impl Default for OutputForecast {
    fn default() -> Self {
        Self { latest: Vec::new(), oldest: 0, counts: [0; CLASSES], level: 9000 }
    }
}

impl fmt::Debug for OutputForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputForecast")
            .field("outputs", &self.latest.len())
            .field("forecast", &self.forecast())
            .finish()
    }
}

/// The class of an output: itself below 16, and then eight classes for each doubling.
fn class(output: u64) -> u8 {
    let output = output.min(MOST);
    let shift = output.max(8).ilog2() - 3;
    // 8 to 15 in each doubling.
    let step = output >> shift;
    u8::try_from(u64::from(8 * shift) + step).unwrap_or(u8::MAX)
}

/// The least output of a class.
fn least(class: usize) -> u64 {
    let class = class as u64;
    let shift = (class / 8).saturating_sub(1);
    (class - 8 * shift) << shift
}

/// The outputs that are remembered. Their counts fit a byte.
const LATEST: usize = 200;
/// The largest output that is told apart.
const MOST: u64 = (1 << 21) - 1;
const CLASSES: usize = 8 * 17 + 16;
/// The least level, and the largest.
const LEVELS: (u32, u32) = (8000, 9980);
/// The step of the level after a hit. After a miss it is nine times as large.
const LEVEL_STEP: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of outputs that their forecast covered, in per cent, and what was reserved for each token that was used.
    pub(super) fn coverage(outputs: impl Iterator<Item = u64>, tenants: usize) -> (f64, f64) {
        let mut forecasts = vec![OutputForecast::default(); tenants];
        let mut random = 1_u64;
        let (mut all, mut covered, mut reserved, mut used) = (0_u64, 0_u64, 0_u64, 0_u64);
        for output in outputs {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let forecast = &mut forecasts[usize::try_from(random >> 33).unwrap() % tenants];
            if let Some(most) = forecast.forecast() {
                all += 1;
                covered += u64::from(output <= most);
                reserved += most;
                used += output;
            }
            forecast.record(output);
        }
        (100.0 * covered as f64 / all as f64, reserved as f64 / used as f64)
    }

    /// Hundredths of the outputs in an hour of a conversation service: Azure's trace of November 2023 (CC-BY 4.0, Microsoft
    /// Azure).
    const CONVERSATIONS: [u64; 101] = [
        7, 16, 24, 32, 38, 41, 44, 47, 49, 52, 54, 57, 59, 62, 64, 67, 69, 71, 73, 75, 77, 79, 81, 82, 84,
        85, 86, 87, 89, 90, 91, 92, 93, 94, 95, 96, 97, 99, 100, 101, 103, 105, 107, 108, 110, 113, 116, 118,
        122, 125, 129, 133, 137, 141, 145, 151, 156, 161, 163, 169, 177, 182, 190, 202, 216, 217, 237, 371,
        375, 378, 384, 387, 390, 393, 394, 395, 396, 396, 397, 398, 400, 402, 404, 407, 410, 411, 414, 415,
        417, 420, 424, 428, 429, 433, 442, 451, 468, 509, 540, 601, 1000,
    ];

    fn random(seed: u64) -> impl Iterator<Item = u64> + Clone {
        std::iter::successors(Some(seed), |state| {
            Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .map(|state| state >> 33)
    }

    #[test]
    fn nine_in_ten_outputs_of_a_real_service_are_covered() {
        let outputs = random(7).skip(1).map(|random| {
            let (at, within) = (usize::try_from(random % 100).unwrap(), random / 100 % 1000);
            CONVERSATIONS[at] + (CONVERSATIONS[at + 1] - CONVERSATIONS[at]) * within / 1000
        });
        for tenants in [1, 20] {
            let (coverage, reserved) = coverage(outputs.clone().take(20_000), tenants);
            assert!((88.0..=92.0).contains(&coverage), "{coverage} with {tenants} tenants");
            assert!(reserved < 2.3, "{reserved}");
        }
    }

    #[test]
    fn nine_in_ten_are_covered_while_outputs_change() {
        // Every 700 requests another kind of work: short answers, long ones, ones that grow, and ones of all sizes.
        let outputs = random(3).skip(1).enumerate().map(|(at, random)| match at / 700 % 4 {
            0 => 20 + random % 40,
            1 => 1000 + random % 3000,
            2 => 100 + (at % 700) as u64 * 3 + random % 100,
            _ => 1 << (random % 12),
        });
        let (coverage, _) = coverage(outputs.take(40_000), 1);
        assert!((88.0..=92.0).contains(&coverage), "{coverage}");
    }

    #[test]
    fn a_forecast_is_the_quantile_of_what_was_seen() {
        let mut forecast = OutputForecast::default();
        (0..19).for_each(|_| forecast.record(100));
        assert_eq!(forecast.forecast(), None);
        forecast.record(100);
        assert!((96..104).contains(&forecast.forecast().unwrap()), "{forecast:?}");
        for output in [0, 1, u64::MAX] {
            let mut forecast = OutputForecast::default();
            (0..1000).for_each(|_| forecast.record(output));
            let known = forecast.forecast().unwrap();
            assert!(known <= output && known >= output.min(1 << 20), "{forecast:?}");
        }
    }

    #[test]
    fn classes_have_no_gaps() {
        for output in (0..5000).chain([1 << 20, MOST - 1, MOST]) {
            let class = usize::from(class(output));
            assert!((least(class)..least(class + 1)).contains(&output), "{output} in {class}");
        }
        assert_eq!(usize::from(class(u64::MAX)), CLASSES - 1);
    }
}
