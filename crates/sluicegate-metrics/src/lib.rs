//! Sluicegate's metrics of its decisions, with the same names for every way in.
//!
//! ```
//! # use std::time::Duration;
//! # use http::Request;
//! # use sluicegate::{ManualClock, MemoryStore};
//! # use sluicegate_policy::{Gate, Outcome, Policy, Source};
//! use sluicegate_metrics::{Format, Metrics};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let text = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
//! # let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
//! # let clock = ManualClock::new();
//! # let store = MemoryStore::builder().clock(clock.clone()).build();
//! # let gate = Gate::new(policy, store, clock);
//! # let (head, ()) = Request::post("/predict").body(())?.into_parts();
//! # let peer = std::net::Ipv4Addr::LOCALHOST.into();
//! let metrics = Metrics::new();
//! let counted = metrics.gate(gate.policy());
//!
//! let visit = gate.enter(&head, peer).await.expect("no limit is on arriving");
//! match gate.decide(&visit, None).await {
//!     Outcome::Admitted(pass) => counted.passed(&pass, Duration::from_micros(2)),
//!     Outcome::Rejected(rejection) => counted.rejected(&rejection),
//! }
//! let text = metrics.write(Format::preferred(["text/plain"]))?;
//! assert!(text.contains("sluicegate_decisions_total{limit=\"predict_1_per_minute\",decision=\"allow\"} 1\n"));
//! # Ok(())
//! # }
//! ```

mod durations;
mod exemplars;
mod family;
mod format;
mod gate_metrics;
mod metrics;
mod requests;
mod stores;
mod summary;
mod tokens;
mod totals;

pub use durations::Durations;
pub use exemplars::Exemplar;
pub use family::Family;
pub use format::Format;
pub use gate_metrics::GateMetrics;
pub use metrics::Metrics;
pub use totals::{LimitTotals, RequestTotals, TokenTotals};
