//! Tokio's timer, and intervals.

use std::time::Duration;

use sluicegate_http::Timer;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

/// Tokio's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokio;

impl Timer for Tokio {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        sleep(duration)
    }
}

/// Ticks at once, and then with so much time in between. Missed ticks are delayed, not caught up.
pub(crate) fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
