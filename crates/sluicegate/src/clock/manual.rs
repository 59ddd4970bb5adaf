//! A clock that tests move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    Clock,
    timestamp::{Timestamp, ticks},
};

/// A clock that stands still until a test moves it. Its clones are the same clock.
///
/// ```
/// use sluicegate::{Clock, ManualClock, Timestamp};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(6));
/// assert_eq!(clock.now(), Timestamp::EPOCH + Duration::from_secs(6));
/// ```
///
/// # Steps
///
/// The clock of a server can be set: it [steps](Self::set_back), though no time passes. A store that lives elsewhere
/// reads [`wall`](Self::wall), which shows such steps. [`now`](Clock::now) never goes back: it passes over a step back,
/// and over a step forward that only makes up for an earlier step back.
///
/// ```
/// # use sluicegate::{Clock, ManualClock, Timestamp};
/// # use std::time::Duration;
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(60));
/// clock.set_back(Duration::from_secs(30));
/// assert_eq!(clock.wall(), Timestamp::EPOCH + Duration::from_secs(30));
/// assert_eq!(clock.now(), Timestamp::EPOCH + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    hands: Arc<Hands>,
}

#[derive(Debug, Default)]
struct Hands {
    /// Ticks that have passed.
    passed: AtomicU64,
    /// Ticks that the wall clock was set forward, less those that it was set back.
    ahead: AtomicI64,
    /// The greatest that `ahead` has been.
    farthest: AtomicI64,
}

impl ManualClock {
    /// A clock at its epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.advance_ticks(ticks(by));
    }

    /// Lets so many ticks of 1/16 ns pass, the finest step that an account can feel.
    pub fn advance_ticks(&self, by: u64) {
        // Only a saturating step needs the loop of `update`; tests share the clock between threads.
        let _ = self
            .hands
            .passed
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |passed| Some(passed.saturating_add(by)));
    }

    /// Sets the wall clock back. No time passes.
    pub fn set_back(&self, by: Duration) {
        self.step(i64::try_from(ticks(by)).unwrap_or(i64::MAX).saturating_neg());
    }

    /// Sets the wall clock forward. No time passes, but a store cannot know.
    pub fn set_forward(&self, by: Duration) {
        self.step(i64::try_from(ticks(by)).unwrap_or(i64::MAX));
    }

    /// The time that the wall clock shows.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.shown(&self.hands.ahead)
    }

    /// Time that has passed, whatever the clock was set to.
    pub(super) fn passed(&self) -> u64 {
        self.hands.passed.load(Ordering::Acquire)
    }

    fn step(&self, by: i64) {
        let add = |ahead: i64| Some(ahead.saturating_add(by));
        // The closure never refuses.
        let before = self.hands.ahead.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).unwrap_or(0);
        self.hands.farthest.fetch_max(before.saturating_add(by), Ordering::AcqRel);
    }

    fn shown(&self, ahead: &AtomicI64) -> Timestamp {
        Timestamp::from_ticks(self.passed().saturating_add_signed(ahead.load(Ordering::Acquire)))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shown(&self.hands.farthest)
    }
}
