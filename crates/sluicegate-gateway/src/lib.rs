//! The Sluicegate gateway: exact rate limits before any machine-learning server.
//!
//! A request's way through it: one of the `threads` accepts a connection, and `client` reads its requests. `request` asks
//! the policy's gate for the decision, and reads the body first if a meter or key needs it. It rewrites the head, and
//! `upstream` sends it over a pooled connection. The response streams back, and its body holds the request's permit until
//! the last byte.
//!
//! Every core runs its own single-threaded runtime with its own listener (`SO_REUSEPORT`) and its own upstream
//! connections, so that no request crosses threads. A reload gives each worker a new proxy; a request keeps the one that
//! it found when it arrived.
//!
//! ```no_run
//! use sluicegate_gateway::Gateway;
//! use sluicegate_policy::{Policy, Source};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     [gateway]
//!     listen = "127.0.0.1:8080"
//!     upstream = "http://127.0.0.1:8000"
//!
//!     [[route]]
//!     path = "/predict"
//!     limits = ["10/minute"]
//! "#;
//! let gateway = Gateway::start(Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?).await?;
//! println!("serving on {}", gateway.address());
//! gateway.drain().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod amounts;
mod client;
mod decisions;
mod explain;
mod gateway;
mod io;
pub mod log;
mod metrics;
mod problem;
mod reload;
mod request;
mod telemetry;
mod threads;
mod upgrade;
mod upstream;

pub use explain::{Explanation, SampleError, SampleRequest};
pub use gateway::{Drained, Gateway, StartError};
pub use io::tls::TlsError;
pub use reload::{ReloadError, Reloaded, origin::Origin};
pub use telemetry::TelemetryError;
