//! Ejection of an upstream whose requests fail (passive health checks).

use std::{
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    time::Duration,
};

use sluicegate_policy::EjectionSettings;

/// Ejection of an upstream after consecutive failed requests.
///
/// After a while, one request tries it. If that succeeds, the upstream is back; otherwise it stays out for twice as
/// long. Times are in milliseconds of the caller's clock, from 1 on.
#[derive(Debug)]
pub(super) struct Ejection {
    settings: EjectionSettings,
    /// Failures since the last response.
    failures: AtomicU32,
    /// Failed trials since the ejection began.
    trials: AtomicU32,
    /// The time of the next trial; zero while the upstream is in.
    until: AtomicU64,
}

/// The kind of a request to an upstream, which decides what its result means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// The upstream is in.
    Regular,
    /// The trial of an ejected upstream, with the time of the next one.
    Trial(u64),
    /// The upstream is ejected, but no other is left.
    LastResort,
}

impl Ejection {
    pub(super) fn new(settings: EjectionSettings) -> Self {
        Self { settings, failures: AtomicU32::new(0), trials: AtomicU32::new(0), until: AtomicU64::new(0) }
    }

    /// Returns `true` if it is out, even during trials.
    pub(super) fn is_out(&self) -> bool {
        self.until.load(Relaxed) != 0
    }

    /// Returns `true` if requests should go elsewhere: it is out, and a trial is not yet due. Reads the clock
    /// only if it is out.
    pub(super) fn keeps_out(&self, now: impl FnOnce() -> u64) -> bool {
        match self.until.load(Relaxed) {
            0 => false,
            until => now() < until,
        }
    }

    /// Classifies a request that is about to be sent.
    pub(super) fn classify(&self, now: impl FnOnce() -> u64) -> RequestKind {
        let until = self.until.load(Acquire);
        if until == 0 {
            return RequestKind::Regular;
        }
        let now = now();
        let next = now + millis(self.settings.time);
        if now >= until && self.until.compare_exchange(until, next, AcqRel, Relaxed).is_ok() {
            RequestKind::Trial(next)
        } else {
            RequestKind::LastResort
        }
    }

    /// Notes a response. Returns `true` if it ends the ejection.
    pub(super) fn answered(&self, kind: RequestKind) -> bool {
        match kind {
            // A request from before the ejection says nothing about the present.
            RequestKind::Regular => {
                if self.failures.load(Relaxed) != 0 {
                    self.failures.store(0, Relaxed);
                }
                false
            }
            RequestKind::Trial(_) | RequestKind::LastResort => self.forgive(),
        }
    }

    /// Notes a failure. Returns the time of the ejection if it begins one.
    pub(super) fn failed(&self, kind: RequestKind, now: u64) -> Option<Duration> {
        let (from, time) = match kind {
            RequestKind::Regular => {
                let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
                let out = self.settings.failures.is_some_and(|most| failures >= most.get());
                (0, out.then_some(self.settings.time)?)
            }
            RequestKind::Trial(until) => {
                let doublings = self.trials.load(Relaxed) + 1;
                let time = self.settings.time.saturating_mul(2_u32.saturating_pow(doublings));
                (until, time.min(self.settings.max_time))
            }
            RequestKind::LastResort => return None,
        };
        // Of several failures at the same time, one ejects it.
        self.until.compare_exchange(from, now + millis(time), AcqRel, Relaxed).ok()?;
        if from != 0 {
            self.trials.fetch_add(1, Relaxed);
        }
        Some(time)
    }

    /// Forgets all failures. Returns `true` if it was out.
    pub(super) fn forgive(&self) -> bool {
        self.failures.store(0, Relaxed);
        self.trials.store(0, Relaxed);
        self.until.swap(0, AcqRel) != 0
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ejection() -> Ejection {
        let failures = NonZeroU32::new(3);
        Ejection::new(EjectionSettings { failures, time: SECOND, max_time: 5 * SECOND, answers: false })
    }

    #[test]
    fn failures_in_a_row_put_it_out_and_an_answer_between_does_not() {
        let ejection = ejection();
        for _ in 0..10 {
            assert_eq!(ejection.failed(RequestKind::Regular, 1), None);
            assert_eq!(ejection.failed(RequestKind::Regular, 1), None);
            ejection.answered(RequestKind::Regular);
        }
        assert!(!ejection.keeps_out(|| 1));
        assert_eq!(ejection.failed(RequestKind::Regular, 1), None);
        assert_eq!(ejection.failed(RequestKind::Regular, 1), None);
        assert_eq!(ejection.failed(RequestKind::Regular, 1), Some(SECOND));
        assert_eq!(ejection.failed(RequestKind::Regular, 1), None, "it is out already");
        assert!(ejection.keeps_out(|| 1_000) && !ejection.keeps_out(|| 1_001));
    }

    #[test]
    fn one_request_tries_it_and_an_answer_brings_it_back() {
        let ejection = out();
        assert_eq!(ejection.classify(|| 1_000), RequestKind::LastResort);
        let trial = ejection.classify(|| 1_001);
        assert_eq!(trial, RequestKind::Trial(2_001));
        assert!(ejection.keeps_out(|| 1_002), "the others wait for the trial");
        assert!(!ejection.answered(RequestKind::Regular) && ejection.is_out(), "an old answer says nothing");
        assert!(ejection.answered(trial));
        assert_eq!(ejection.classify(|| 1_003), RequestKind::Regular);
    }

    #[test]
    fn each_trial_that_fails_doubles_the_time_up_to_the_longest() {
        let ejection = out();
        let mut now = 1_001;
        for seconds in [2, 4, 5, 5] {
            let trial = ejection.classify(|| now);
            assert_eq!(ejection.failed(trial, now), Some(seconds * SECOND));
            assert_eq!(ejection.failed(trial, now), None, "it counts once");
            now += u64::from(seconds) * 1_000;
            assert!(ejection.keeps_out(|| now - 1) && !ejection.keeps_out(|| now));
        }
    }

    #[test]
    fn a_trial_that_nobody_waits_for_is_followed_by_another() {
        let ejection = out();
        assert_eq!(ejection.classify(|| 1_001), RequestKind::Trial(2_001));
        assert_eq!(ejection.classify(|| 2_001), RequestKind::Trial(3_001));
        assert_eq!(ejection.failed(RequestKind::Trial(2_001), 2_002), None);
    }

    #[test]
    fn what_is_sent_there_for_want_of_another_brings_it_back_and_takes_nothing() {
        let ejection = out();
        assert_eq!(ejection.failed(RequestKind::LastResort, 2), None);
        assert!(!ejection.keeps_out(|| 1_001), "its time has not grown");
        assert!(ejection.answered(RequestKind::LastResort));
        assert!(!ejection.is_out());
    }

    fn out() -> Ejection {
        let ejection = ejection();
        for _ in 0..3 {
            ejection.failed(RequestKind::Regular, 1);
        }
        assert!(ejection.is_out());
        ejection
    }
}
