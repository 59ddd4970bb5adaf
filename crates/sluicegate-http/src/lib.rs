//! The work around a decision that every way in over HTTP has in common. It needs no server and no runtime.
//!
//! * [`Admission`] takes a request from its head to its outcome, and times and counts it.
//! * [`DenialLog`] gives the fields by which a denial is logged.
//! * [`read`] reads as much of a body as a decision needs, and [`Held`] passes it on. [`Observed`] shows a response's frames to
//!   an observer that also learns of its end.
//! * [`InFlight`] is an admitted request until then. [`Metering`] reads its usage, and [`Admission::settle`] charges it.
//! * [`watch_keys`] and [`until_ready`] are the jobs beside the requests.
//!
//! ```
//! # use http::Request;
//! # use sluicegate::{ManualClock, MemoryStore};
//! # use sluicegate_http::Admission;
//! # use sluicegate_metrics::Metrics;
//! # use sluicegate_policy::{Gate, Policy, RequestId, Source};
//! # pollster::block_on(async {
//! # let text = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
//! # let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
//! # let clock = ManualClock::new();
//! # let store = MemoryStore::builder().clock(clock.clone()).build();
//! # let gate = std::sync::Arc::new(Gate::new(policy, store, clock.clone()));
//! # let metrics = Metrics::new().gate(gate.policy());
//! # let peer = std::net::Ipv4Addr::LOCALHOST.into();
//! # let (head, ()) = Request::post("/predict").body(())?.into_parts();
//! let admission = Admission::new(gate, metrics, clock);
//! for status in [200, 429] {
//!     let decided = async {
//!         let mut entry = admission.enter(&head, peer).await?;
//!         let reading = entry.read(async |mut reading| {
//!             reading.end()?;
//!             Ok(reading)
//!         }).await?;
//!         entry.decide(reading.as_deref()).await
//!     };
//!     match decided.await {
//!         Ok(_admitted) => assert_eq!(status, 200),
//!         Err(rejection) => {
//!             let id = RequestId::of(&head.headers);
//!             let response = admission.renderer().rejected(&rejection, &head, &id);
//!             assert_eq!(response.status(), status);
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod admission;
mod background;
mod body;
mod busiest;
pub mod decision_log;
mod denial_log;
mod in_flight;
mod metering;
mod most_denied;
mod recent_denials;

pub use admission::{Admission, Admitted, Entry};
pub use background::{Timer, until_ready, watch_keys};
pub use body::{Answer, End, Exhausted, Held, MALFORMED, Metered, Observed, Observer, Relayed, read};
pub use busiest::{AccountUse, BusiestAccounts};
pub use denial_log::{DenialFields, DenialLog};
pub use in_flight::{BodyMetering, InFlight};
pub use metering::{Answering, Cut, Metering, Settling, Told};
pub use most_denied::DeniedKey;
pub use recent_denials::RecentDenial;
