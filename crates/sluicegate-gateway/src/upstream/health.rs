//! The state of one upstream, shared by the whole process.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use sluicegate_policy::{EjectionSettings, GatewaySettings, Upstream as Address};
use tokio::time::Instant;

use super::ejection::{Ejection, RequestKind};

/// The state of one upstream in this process: all workers write it, and all read it.
#[derive(Debug)]
pub(crate) struct Health {
    name: String,
    /// Times are counted from here.
    began: Instant,
    in_flight: Mutex<Vec<InFlight>>,
    failures: AtomicU64,
    ejection: Ejection,
    answers_count: bool,
    /// The health checks say so.
    is_down: AtomicBool,
    /// The time when the health checks saw it come back; zero if that is long ago.
    back_since: AtomicU64,
    slow_start: Duration,
}

/// The number of requests that one worker has at one upstream. Only that worker writes it, so it costs no
/// more than a plain number. The metrics read it.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<AtomicU64>);

impl Health {
    /// One for each upstream of the settings. All are well until something else is known; of those that were there
    /// `before` and are judged alike, what is known stays known.
    pub(crate) fn of_all(
        settings: &GatewaySettings,
        before: Option<(&GatewaySettings, &[Arc<Self>])>,
    ) -> Arc<[Arc<Self>]> {
        let ejection = ejection(settings);
        let judged_alike = |before: &GatewaySettings| {
            self::ejection(before) == ejection
                && before.health == settings.health
                && before.slow_start == settings.slow_start
        };
        let known = before.filter(|(before, _)| judged_alike(before)).map_or(&[][..], |(_, known)| known);
        let health = |address: &Address| {
            let name = address.to_string();
            let known = known.iter().find(|health| health.name == name);
            known.map_or_else(|| Arc::new(Self::new(address, ejection, settings.slow_start)), Arc::clone)
        };
        settings.upstreams.iter().map(health).collect()
    }

    fn new(address: &Address, ejection: EjectionSettings, slow_start: Duration) -> Self {
        Self {
            name: address.to_string(),
            began: Instant::now(),
            in_flight: Mutex::default(),
            failures: AtomicU64::new(0),
            ejection: Ejection::new(ejection),
            answers_count: ejection.answers,
            is_down: AtomicBool::new(false),
            back_since: AtomicU64::new(0),
            slow_start,
        }
    }

    /// The upstream's URL.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Requests at the upstream now.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).iter().map(InFlight::count).sum()
    }

    /// Requests that it did not take or did not answer so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Returns `true` if requests go there as a rule.
    pub(crate) fn is_well(&self) -> bool {
        self.is_up() && !self.ejection.is_out()
    }

    /// Returns `true` if the health checks find it up.
    pub(crate) fn is_up(&self) -> bool {
        !self.is_down.load(Relaxed)
    }

    /// The health checks have found it up or down.
    pub(crate) fn note(&self, is_up: bool) {
        if is_up {
            tracing::info!(upstream = self.name, "the upstream is up again");
            self.back_since.store(self.now(), Relaxed);
            self.ejection.forgive();
        } else {
            tracing::warn!(upstream = self.name, "the upstream is down: its health checks fail");
        }
        self.is_down.store(!is_up, Relaxed);
    }

    /// The part of one more worker.
    pub(super) fn in_flight_of_a_worker(&self) -> InFlight {
        let part = InFlight::default();
        let mut parts = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that has dropped it, after a reload, has nothing in flight any more.
        parts.retain(|part| Arc::strong_count(&part.0) > 1);
        parts.push(part.clone());
        part
    }

    /// The part of its weight that the upstream gets now, in thousandths: zero while it is out or down.
    pub(super) fn share(&self) -> u64 {
        if !self.is_up() || self.ejection.keeps_out(|| self.now()) {
            return 0;
        }
        match self.back_since.load(Relaxed) {
            0 => WHOLE,
            back_since => self.ramp(back_since),
        }
    }

    fn ramp(&self, back_since: u64) -> u64 {
        let passed = Duration::from_millis(self.now().saturating_sub(back_since));
        if passed >= self.slow_start {
            // If it comes back again at this moment, the ramp is lost, which is right: it was up nearly all the time.
            self.back_since.store(0, Relaxed);
            return WHOLE;
        }
        let whole = u128::from(WHOLE);
        let grown = whole * passed.as_nanos() / self.slow_start.as_nanos().max(1);
        u64::try_from(grown).unwrap_or(WHOLE).max(FIRST_STEP)
    }

    /// Classifies a request that is about to be sent.
    pub(super) fn classify(&self) -> RequestKind {
        self.ejection.classify(|| self.now())
    }

    /// Notes the head of a response.
    pub(super) fn answered(&self, kind: RequestKind, status: StatusCode) {
        if self.answers_count && IS_NO_ANSWER.contains(&status) {
            self.failed(kind);
        } else if self.ejection.answered(kind) {
            tracing::info!(upstream = self.name, "the upstream answers again");
        }
    }

    /// Notes a request without a response.
    pub(super) fn failed(&self, kind: RequestKind) {
        self.failures.fetch_add(1, Relaxed);
        if let Some(time) = self.ejection.failed(kind, self.now()) {
            tracing::warn!(upstream = self.name, "the upstream fails: it gets no requests for {time:?}");
        }
    }

    /// In milliseconds, from 1 on.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).map_or(u64::MAX / 2, |passed| passed + 1)
    }
}

/// The settings of ejection for these upstreams.
fn ejection(settings: &GatewaySettings) -> EjectionSettings {
    let mut ejection = settings.ejection;
    if let [_] = settings.upstreams[..] {
        // Requests have nowhere else to go.
        ejection.failures = None;
    }
    ejection
}

impl InFlight {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn add(&self) {
        self.0.store(self.count() + 1, Relaxed);
    }

    pub(super) fn remove(&self) {
        self.0.store(self.count() - 1, Relaxed);
    }
}

/// The share of an upstream that is well.
pub(super) const WHOLE: u64 = 1_000;

/// The share of an upstream that is just back.
const FIRST_STEP: u64 = 50;

/// The statuses that a proxy in between sends in place of a silent server.
const IS_NO_ANSWER: [StatusCode; 3] =
    [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_comes_back_gets_its_share_step_by_step() {
        let slow_start = Duration::from_secs(100);
        let health = Health::new(&"http://a".parse().unwrap(), EjectionSettings::default(), slow_start);
        assert_eq!(health.share(), WHOLE, "whoever has just been started need not wait");
        health.note(false);
        assert_eq!(health.share(), 0);
        health.note(true);
        assert_eq!(health.share(), FIRST_STEP);
        for (seconds, share) in [(25, 250), (25, 500), (49, 990), (1, WHOLE), (1_000, WHOLE)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(health.share(), share);
        }
    }
}
