//! A clock that may be set, made one that never goes back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::ManualClock;
use crate::timestamp::{TICKS_PER_NANOSECOND, Timestamp};

/// The time of a clock that may be set, such as a server's or the machine's wall clock, made one that never goes back.
///
/// It remembers by how much the latest reading is ahead of this process's monotonic clock. From then on it shows at
/// least that reading plus the time that has passed. So a clock that is set back goes on as if it had not been, and one
/// that is set forward and back gains once, however often that happens.
///
/// ```
/// use sluicegate::{ManualClock, SteadyClock};
/// use std::time::Duration;
///
/// let server = ManualClock::new();
/// server.advance(Duration::from_secs(3_600));
/// let clock = SteadyClock::of(&server);
/// let before = clock.read(server.wall());
///
/// server.set_back(Duration::from_secs(1_800));
/// server.advance(Duration::from_secs(5));
/// assert_eq!(clock.read(server.wall()), before + Duration::from_secs(5));
/// ```
///
/// Time that passes is counted one part in 16,384 short. So a clock that is not set is always ahead of it, and this
/// process's idea of time does not drift away from everybody else's over the months.
#[derive(Debug)]
pub struct SteadyClock {
    source: Source,
    /// Ticks that the latest reading was ahead of `source`.
    lead: AtomicU64,
}

/// The source of elapsed time.
#[derive(Debug)]
enum Source {
    /// This process's monotonic clock, since then.
    Monotonic(Instant),
    /// A test, from this many ticks on. Its clocks tick alike.
    Manual(ManualClock, u64),
}

impl SteadyClock {
    /// A clock that has heard no reading yet.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is a clock; the system's own reads a counter of another rate"
    )]
    pub fn new() -> Self {
        Self { source: Source::Monotonic(Instant::now()), lead: AtomicU64::new(0) }
    }

    /// The same for a clock that a test moves.
    #[must_use]
    pub fn of(clock: &ManualClock) -> Self {
        Self { source: Source::Manual(clock.clone(), clock.passed()), lead: AtomicU64::new(0) }
    }

    /// Returns the time that a reading taken now is for: at least the reading, and never earlier than before.
    pub fn read(&self, reading: Timestamp) -> Timestamp {
        let passed = self.source.passed();
        let lead = reading.ticks().saturating_sub(passed);
        let lead = self.lead.fetch_max(lead, Ordering::AcqRel).max(lead);
        Timestamp::from_ticks(lead.saturating_add(passed)).max(reading)
    }

    /// Returns the least that the time can be now, going by all readings so far.
    #[must_use]
    pub fn least(&self) -> Timestamp {
        let lead = self.lead.load(Ordering::Acquire);
        Timestamp::from_ticks(lead.saturating_add(self.source.passed()))
    }
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Source {
    fn passed(&self) -> u64 {
        match self {
            Self::Monotonic(since) => {
                let nanoseconds = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let ticks = nanoseconds.saturating_mul(TICKS_PER_NANOSECOND);
                ticks - (ticks >> SHORT)
            }
            Self::Manual(clock, since) => clock.passed().saturating_sub(*since),
        }
    }
}

/// One part in 2^14: 61 millionths, more than two computers' clocks differ by while NTP keeps them.
const SHORT: u32 = 14;
