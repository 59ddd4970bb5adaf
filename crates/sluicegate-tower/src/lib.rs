//! A tower layer that limits requests to axum, hyper and tonic services, as the Sluicegate gateway does.
//!
//! A [`RateLimitLayer`] decides each request before the service behind it sees it. A request over a limit gets a 429 with a
//! `Retry-After` that is true, `RateLimit` headers and a problem document that the OpenAI and Anthropic SDKs read. A denied gRPC
//! call gets the status `RESOURCE_EXHAUSTED`. All other responses pass on, with the caller's balances in their headers.
//!
//! # Limits in code
//!
//! A [`Limit`] is a quota with a name. Without a key, each client's IP address has its own account.
//!
//! ```
//! use axum::{Router, routing::post};
//! use sluicegate_tower::{Limit, Quota, RateLimitLayer};
//!
//! let layer = RateLimitLayer::builder()
//!     .limit(Limit::new("predict", Quota::per_minute(10)))
//!     .limit(Limit::new("slots", Quota::concurrent(4)))
//!     .key_by(|head| Some(head.headers.get("x-team")?.to_str().ok()?.to_owned()))
//!     .build()?;
//! let app: Router = Router::new().route("/predict", post(async || "setosa")).layer(layer);
//! # drop(app);
//! # Ok::<(), sluicegate_tower::BuildError>(())
//! ```
//!
//! [`Builder::cost_by`] gives each request a cost, and [`Builder::meter`] finds it in the body.
//!
//! # Limits in a policy file
//!
//! The same file that the gateway and the Python package read, with the same stores, API keys and tiers:
//!
//! ```no_run
//! use sluicegate_tower::RateLimitLayer;
//!
//! let layer = RateLimitLayer::builder()
//!     .policy_file("sluicegate.toml")
//!     .listener(|event| eprintln!("{event}"))
//!     .build()?;
//! # drop(layer);
//! # Ok::<(), sluicegate_tower::BuildError>(())
//! ```
//!
//! Routes are matched by the path of the request's URI. Put the layer around the outermost router: inside `nest`, axum shortens
//! paths.
//!
//! # Costs that are known afterwards
//!
//! The layer puts a [`Permit`] into the request's extensions. A service that knows the actual cost settles it: less than the
//! estimate is a refund, and more is a debt. Where the policy meters the tokens of a model, the layer reads the usage in the
//! response itself, also in streams.
//!
//! Charges are settled, and the slots of concurrent limits are free again, when the last byte of the response is sent, or its
//! client has left, and no clone of the permit is left.
//!
//! # Addresses of clients
//!
//! The layer has to know which peer sent a request:
//!
//! | server | address |
//! |---|---|
//! | axum | `ConnectInfo<SocketAddr>`, with the feature `axum`: serve with `into_make_service_with_connect_info` |
//! | hyper | put a [`PeerAddress`] into the request's extensions |
//! | tonic | [`Builder::peer_by`] finds it in tonic's `TcpConnectInfo` |
//!
//! If the policy trusts the peer as a proxy, the client's address is that of the forwarding header. A request without an address
//! gets a 500 and is never charged to an account that others share, unless all its limits have keys that need no address.
//!
//! # Runtime
//!
//! The layer runs on Tokio with its timer enabled, as axum, hyper and tonic do. A store in memory needs neither a thread nor a task.
//! Bodies are of [`bytes::Bytes`] and [`Unpin`]: box those that are not.
//!
//! # Features
//!
//! * `axum`: finds addresses in axum's `ConnectInfo`, and makes [`Permit`] an extractor. Off by default.

mod address;
mod body;
mod builder;
mod decision;
mod error;
mod event;
#[cfg(feature = "axum")]
mod extractor;
mod future;
mod layer;
mod limits;
mod permit;
mod running;
mod service;
mod timer;

pub use address::PeerAddress;
pub use body::{RequestBody, ResponseBody};
pub use builder::Builder;
pub use error::{BoxError, BuildError};
pub use event::Event;
#[cfg(feature = "axum")]
pub use extractor::NoPermit;
pub use future::ResponseFuture;
pub use layer::RateLimitLayer;
pub use permit::Permit;
pub use service::RateLimit;

pub use sluicegate::{Cost, Limit, Quota, Unit};
pub use sluicegate_http::{DenialFields, Exhausted};
pub use sluicegate_metrics::{Format, Metrics};
pub use sluicegate_policy::{CodeMeter, Dialect, KeyTemplate, Mode, Policy, Source};

/// Runs the examples of the guide as tests.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/tower.md")]
struct Guide;
