//! Opens whichever store a policy names.
//!
//! ```
//! use sluicegate::{Charge, Limiter, Quota};
//! use sluicegate_policy::StoreSettings;
//! use sluicegate_stores::AnyStore;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = AnyStore::open(&StoreSettings::default(), |transition| eprintln!("{transition:?}"))?;
//! store.check().await?;
//! let limiter = Limiter::new(store);
//! let quota: Quota = "10/minute".parse()?;
//! assert!(limiter.take(&[Charge::new("alice", quota)]).await?.is_allowed());
//! # Ok(())
//! # }
//! ```

mod any_store;
mod figures;
mod remote;
mod thread;

pub use any_store::AnyStore;
pub use figures::Figures;
pub use remote::Remote;
