//! The counts of one series by steps of time.

use serde::{Serialize, Serializer};

/// Three counts that belong together.
pub(super) type Counts = [u64; 3];

/// A range of time up to now, of as many steps as all others: longer ranges have coarser steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::admin::dashboard) enum Range {
    TenMinutes,
    Hour,
    SixHours,
}

/// The counts of one series, by steps of each range. Its size is fixed.
#[derive(Debug, Default)]
pub(super) struct Rings([Ring; Range::ALL.len()]);

#[derive(Debug)]
struct Ring {
    /// The newest step that counted anything.
    last: u64,
    /// By the remainder of a step.
    counts: [[u32; 3]; POINTS],
}

impl Range {
    pub(in crate::admin::dashboard) const ALL: [Self; 3] = [Self::TenMinutes, Self::Hour, Self::SixHours];

    /// The name in a query.
    pub(in crate::admin::dashboard) fn name(self) -> &'static str {
        match self {
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::SixHours => "6h",
        }
    }

    /// The range with this name.
    pub(in crate::admin::dashboard) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == name)
    }

    /// The length of a step in seconds.
    pub(in crate::admin::dashboard) fn step(self) -> u64 {
        match self {
            Self::TenMinutes => 5,
            Self::Hour => 30,
            Self::SixHours => 180,
        }
    }

    /// The number of steps.
    pub(in crate::admin::dashboard) fn points(self) -> usize {
        POINTS
    }

    /// The number of the step that a time is in.
    pub(super) fn step_at(self, now: u64) -> u64 {
        now / self.step()
    }
}

/// The counts of the last steps, the three one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    ring: &'a Ring,
    last: u64,
    steps: usize,
}

/// One of the three counts, by step.
#[derive(Clone, Copy)]
struct Column<'a> {
    values: Values<'a>,
    index: usize,
}

impl Rings {
    /// Counts these at a time in seconds, which is not before that of any earlier call.
    pub(super) fn add(&mut self, now: u64, increase: Counts) {
        for (range, ring) in Range::ALL.into_iter().zip(&mut self.0) {
            ring.add(range.step_at(now), increase);
        }
    }

    /// Returns the counts of this many steps up to `last`.
    pub(super) fn values(&self, range: Range, last: u64, steps: usize) -> Values<'_> {
        Values { ring: &self.0[range as usize], last, steps }
    }
}

impl Ring {
    fn add(&mut self, step: u64, increase: Counts) {
        let gone = step.saturating_sub(self.last).min(POINTS as u64);
        for passed in 0..gone {
            self.counts[place(step - passed)] = [0; 3];
        }
        self.last = self.last.max(step);
        for (count, increase) in self.counts[place(step)].iter_mut().zip(increase) {
            *count = count.saturating_add(u32::try_from(increase).unwrap_or(u32::MAX));
        }
    }

    /// The counts of a step.
    fn counts(&self, step: u64) -> [u32; 3] {
        let oldest_kept = (self.last + 1).saturating_sub(POINTS as u64);
        if (oldest_kept..=self.last).contains(&step) { self.counts[place(step)] } else { [0; 3] }
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [0, 1, 2].map(|index| Column { values: *self, index }).serialize(serializer)
    }
}

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Values { ring, last, steps } = self.values;
        let steps = steps.min(POINTS) as u64;
        let count = |ago| last.checked_sub(ago).map_or(0, |step| ring.counts(step)[self.index]);
        serializer.collect_seq((0..steps).rev().map(count))
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self { last: 0, counts: [[0; 3]; POINTS] }
    }
}

/// The place of a step in a ring.
fn place(step: u64) -> usize {
    // The remainder is below the number of points.
    usize::try_from(step % POINTS as u64).unwrap_or_default()
}

/// The steps of each range.
const POINTS: usize = 120;
