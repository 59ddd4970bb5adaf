//! The waits that denials tell.

use std::time::Duration;

use sluicegate::Wait;

/// The waits that denials tell, in a table of fixed size.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    /// Waits by their length: sixteen steps for each doubling of nanoseconds.
    counts: Vec<u64>,
    known: u64,
    longest: Option<Duration>,
    /// Denials that no wait helps: the cost is more than the quota ever holds.
    pub(crate) forever: u64,
}

impl Default for Waits {
    fn default() -> Self {
        Self { counts: vec![0; 65 * STEPS], known: 0, longest: None, forever: 0 }
    }
}

impl Waits {
    /// Counts the wait of a denial.
    pub(crate) fn count(&mut self, wait: Wait) {
        match wait {
            Wait::For(wait) => {
                self.known += 1;
                self.longest = self.longest.max(Some(wait));
                self.counts[step(wait)] += 1;
            }
            Wait::Forever => self.forever += 1,
            Wait::Release | Wait::None => {}
        }
    }

    /// The longest wait.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.longest
    }

    /// The wait that half of the denials tell at most. It is right to 1/16.
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut passed = 0;
        let step = self.counts.iter().position(|count| {
            passed += count;
            passed > 0 && 2 * passed >= self.known
        })?;
        let (power, part) = (step / STEPS, step % STEPS);
        // The upper end of the step.
        let nanos = (STEPS as u128 + part as u128 + 1) << power >> STEPS.ilog2();
        self.longest
            .map(|longest| longest.min(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))))
    }
}

/// The place of a wait in the table.
fn step(wait: Duration) -> usize {
    let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX).max(1);
    let power = nanos.ilog2() as usize;
    // The four bits below the highest one.
    let part = ((u128::from(nanos) << STEPS.ilog2()) >> power) as usize % STEPS;
    power * STEPS + part
}

const STEPS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_median_is_right_to_a_sixteenth(mut waits in prop::collection::vec(1_u64..1 << 60, 1..100)) {
            let mut counted = Waits::default();
            waits.iter().for_each(|wait| counted.count(Wait::For(Duration::from_nanos(*wait))));
            waits.sort_unstable();
            let exact = Duration::from_nanos(waits[(waits.len() - 1) / 2]);
            let median = counted.median().unwrap();
            prop_assert!(median >= exact && median <= exact + exact / 16 + Duration::from_nanos(1), "{median:?} {exact:?}");
            prop_assert_eq!(counted.longest(), Some(Duration::from_nanos(*waits.last().unwrap())));
        }
    }
}
