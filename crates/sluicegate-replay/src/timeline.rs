//! Requests and denials over time.

use crate::Moment;

/// Requests and denials over time, in at most [`MOST`] bins of equal length. When the log grows beyond them, two bins
/// become one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    begins: Option<Moment>,
    /// Nanoseconds, a power of two times a second.
    bin: u64,
    bins: Vec<Bin>,
}

/// The requests of a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Bin {
    pub(crate) requests: u64,
    pub(crate) denied: u64,
}

impl Timeline {
    /// Counts a request.
    pub(crate) fn count(&mut self, time: Moment, denied: bool) {
        let begins = *self.begins.get_or_insert(time);
        self.bin = self.bin.max(SECOND);
        let passed = time.nanos().saturating_sub(begins.nanos());
        while passed / self.bin >= MOST as u64 {
            self.bin = self.bin.saturating_mul(2);
            self.bins = self
                .bins
                .chunks(2)
                .map(|pair| pair.iter().fold(Bin::default(), |sum, bin| sum.and(*bin)))
                .collect();
        }
        // Below the most bins, so it fits.
        let place = usize::try_from(passed / self.bin).unwrap_or(MOST - 1);
        if self.bins.len() <= place {
            self.bins.resize(place + 1, Bin::default());
        }
        self.bins[place] = self.bins[place].and(Bin { requests: 1, denied: u64::from(denied) });
    }

    /// The moment at which the first bin begins, the length of a bin in nanoseconds, and the bins.
    pub(crate) fn parts(&self) -> Option<(Moment, u64, &[Bin])> {
        Some((self.begins?, self.bin, &self.bins))
    }
}

impl Bin {
    const fn and(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, denied: self.denied + other.denied }
    }
}

const SECOND: u64 = 1_000_000_000;

const MOST: usize = 240;
