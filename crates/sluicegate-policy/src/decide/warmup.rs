//! Smaller limits while the upstream warms up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sluicegate::Timestamp;

use crate::Scale;

/// Smaller limits while the upstream warms up: a fixed scale until it is ready, then an even ramp to the whole.
///
/// All gates share one value. The probe of the upstream tells it of the first success.
/// A token bucket's account is kept in time, so the growth hands out nothing that was withheld before.
///
/// ```
/// use sluicegate::Timestamp;
/// use sluicegate_policy::{Scale, Warmup};
/// use std::time::Duration;
///
/// let warmup = Warmup::new(Scale::of(0.2).unwrap(), "/health".to_owned(), Duration::from_secs(30));
/// let now = Timestamp::EPOCH;
/// assert_eq!(warmup.scale(now), Scale::of(0.2));
/// warmup.ready(now);
/// assert_eq!(warmup.scale(now + Duration::from_secs(15)), Scale::of(0.6));
/// assert_eq!(warmup.scale(now + Duration::from_secs(30)), None);
/// ```
#[derive(Debug)]
pub struct Warmup {
    pub(crate) scale: Scale,
    path: String,
    pub(crate) ramp: Duration,
    /// Ticks of the first success.
    ready: Arc<AtomicU64>,
}

impl Warmup {
    /// Starts cold.
    #[must_use]
    pub fn new(scale: Scale, path: String, ramp: Duration) -> Self {
        Self { scale, path, ramp, ready: Arc::new(AtomicU64::new(COLD)) }
    }

    /// The same upstream's warm-up under a changed policy: the scale and ramp are this one's, and what is known of the
    /// upstream is `before`'s, now and from now on.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        Self { scale: self.scale, path: self.path.clone(), ramp: self.ramp, ready: Arc::clone(&before.ready) }
    }

    /// The path that answers with 2xx once the upstream is ready.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns `true` if the upstream has been ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) != COLD
    }

    /// The upstream is ready: the ramp begins. Only the first call counts.
    pub fn ready(&self, now: Timestamp) {
        let ticks = now.ticks().min(COLD - 1);
        // The second caller finds the ramp begun already.
        let _ = self.ready.compare_exchange(COLD, ticks, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The scale of every limit at this moment; `None` once the limits are whole.
    ///
    /// A request then takes the quota's [`scaled`](sluicegate::Quota::scaled) amount.
    #[inline]
    #[must_use]
    pub fn scale(&self, now: Timestamp) -> Option<Scale> {
        let ready = self.ready.load(Ordering::Relaxed);
        if ready == COLD {
            return Some(self.scale);
        }
        let passed = now.since(Timestamp::from_ticks(ready));
        if passed >= self.ramp {
            return None;
        }
        // `passed` is below `ramp`, so the sum stays below the whole.
        let missing = u128::from(Scale::WHOLE.millionths().saturating_sub(self.scale.millionths()));
        let gained = missing * passed.as_nanos() / self.ramp.as_nanos().max(1);
        let millionths = self.scale.millionths() + u64::try_from(gained).unwrap_or(u64::MAX);
        Some(Scale::from_millionths(millionths))
    }
}

const COLD: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_success_begins_the_ramp_and_no_other() {
        let warmup = Warmup::new(Scale::of(0.2).unwrap(), "/health".into(), Duration::from_secs(10));
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        assert!(!warmup.is_ready());
        assert_eq!(warmup.scale(at(1_000)), Scale::of(0.2));
        warmup.ready(at(1_000));
        warmup.ready(at(1_009));
        assert!(warmup.is_ready());
        assert_eq!(warmup.scale(at(1_005)), Scale::of(0.6));
        assert_eq!(warmup.scale(at(999)), Scale::of(0.2), "a clock may be read before the ramp began");
        assert_eq!(warmup.scale(at(1_010)), None);
    }

    #[test]
    fn a_changed_warm_up_of_the_same_upstream_goes_on_where_it_was() {
        let before = Warmup::new(Scale::of(0.2).unwrap(), "/health".into(), Duration::from_secs(10));
        let changed = Warmup::new(Scale::of(0.5).unwrap(), "/ready".into(), Duration::from_secs(20));
        let after = changed.after(&before);
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        assert_eq!((after.scale(at(0)), after.path()), (Scale::of(0.5), "/ready"));
        before.ready(at(100));
        assert!(after.is_ready(), "whoever asks the upstream tells both");
        assert_eq!(after.scale(at(110)), Scale::of(0.75));
    }

    #[test]
    fn without_a_ramp_limits_are_whole_at_once() {
        let warmup = Warmup::new(Scale::of(0.2).unwrap(), "/health".into(), Duration::ZERO);
        warmup.ready(Timestamp::EPOCH);
        assert_eq!(warmup.scale(Timestamp::EPOCH), None);
    }
}
