//! An admission on a clock that stands still until a test moves it.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, request::Parts};
use sluicegate::{ManualClock, MemoryStore, Resilient};
use sluicegate_http::{Admission, Admitted, Timer};
use sluicegate_metrics::{Format, Metrics};
use sluicegate_policy::{Gate, Policy, Reading, Refusal, Rejection, Source};

pub(crate) type Store = MemoryStore<ManualClock>;

pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Site<S: sluicegate::Store = Store> {
    pub(crate) admission: Admission<S, ManualClock>,
    pub(crate) clock: ManualClock,
    metrics: Metrics,
}

impl Site {
    pub(crate) fn new(policy: &str) -> Self {
        Self::on(policy, |clock| MemoryStore::builder().clock(clock).build())
    }
}

impl<S: Resilient> Site<S> {
    /// An admission on a store that is made with the clock.
    pub(crate) fn on(policy: &str, store: impl FnOnce(ManualClock) -> S) -> Self {
        let source = Source::new("test.toml", policy.as_bytes()).expect("it is small");
        let policy = Policy::parse(&source).unwrap_or_else(|error| panic!("{error}"));
        let (clock, metrics) = (ManualClock::new(), Metrics::new());
        let gate = Arc::new(Gate::new(policy, store(clock.clone()), clock.clone()));
        let counted = metrics.gate(gate.policy());
        Self { admission: Admission::new(gate, counted, clock.clone()), clock, metrics }
    }

    /// Sends a request whose body is `read` in this way if it is asked for.
    pub(crate) fn send(
        &self,
        head: &Parts,
        read: impl FnOnce(&mut Reading) -> Result<(), Refusal>,
    ) -> Result<Admitted<S>, Rejection> {
        pollster::block_on(async {
            let mut entry = self.admission.enter(head, PEER).await?;
            let reading = entry
                .read(|mut reading| async {
                    read(&mut reading)?;
                    Ok(reading)
                })
                .await?;
            entry.decide(reading.as_deref()).await
        })
    }

    /// Returns `true` if the metrics have this line.
    pub(crate) fn tells(&self, line: &str) -> bool {
        let text = self.metrics.write(Format::Prometheus).expect("all metrics can be written");
        text.lines().any(|told| told == line)
    }
}

pub(crate) fn post(path: &str) -> Parts {
    let request =
        Request::post(path).header("content-type", "application/json").header("content-length", "9");
    request.body(()).expect("a good request").into_parts().0
}

/// A timer that lets no time pass and remembers what it was asked for.
#[derive(Default)]
pub(crate) struct Slept(pub(crate) Mutex<Vec<Duration>>);

impl Timer for Slept {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.0.lock().expect("no test panics holding it").push(duration);
        std::future::ready(())
    }
}
