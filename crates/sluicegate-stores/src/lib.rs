//! Opens whichever store a policy names.
//!
//! ```
//! use sluicegate::{Limit, Limiter, Quota};
//! use sluicegate_policy::StoreSettings;
//! use sluicegate_stores::AnyStore;
//!
//! static REQUESTS: Limit = Limit::new("requests", Quota::per_minute(10));
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = AnyStore::open(&StoreSettings::default(), |transition| eprintln!("{transition:?}"))?;
//! store.check().await?;
//! let limiter = Limiter::new(store);
//! let permit = limiter.check("alice", &REQUESTS).await?.allowed().expect("the first of ten");
//! assert_eq!(permit.balances()[0].remaining, 9);
//! # Ok(())
//! # }
//! ```

mod any_store;
mod remote;
mod spender;
mod statistics;
mod thread;
mod units;

pub use any_store::AnyStore;
pub use remote::Remote;
pub use spender::Spender;
pub use statistics::StoreStatistics;
pub use units::Units;

/// Runs the examples of the guide and of the README as tests: no other crate knows all that they use.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
#[doc = include_str!("../../../README.md")]
struct Guides;
