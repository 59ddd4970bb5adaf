//! The Sluicegate gateway: exact rate limits before any machine-learning server.
//!
//! A request's way through it: `server` accepts a connection, and `client` reads its requests. `proxy` asks
//! the policy's gate for the decision, and reads the body first if a meter or key needs it. `forward`
//! rewrites the head, and `upstream` sends it over a pooled connection. `body` streams the response back, and
//! holds the request's permit until the last byte.
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
mod blueprint;
mod body;
mod client;
mod connections;
mod current;
mod date;
mod dial;
mod dormant;
mod drain;
mod forward;
mod framing;
mod gateway;
mod gather;
mod health_check;
mod host;
mod housekeeper;
mod hush;
mod idle_timer;
mod interim;
mod keeper;
mod listener;
pub mod log;
mod metrics;
mod names;
mod origin;
mod pace;
mod policy_watch;
mod probe;
mod proxy;
mod public_urls;
mod reload;
mod restart;
mod running;
mod server;
mod tcp;
mod tls;
mod upgrade;
mod upstream;
mod upstream_refusal;
mod worker;

pub use gateway::{Drained, Gateway, StartError};
pub use origin::Origin;
pub use reload::{ReloadError, Reloaded};
pub use tls::TlsError;
