//! A rate limiter with exact books.
//!
//! Sluicegate decides, for every request to a machine-learning API, whether it may pass now. This crate is the
//! engine: values, algorithms, and a store in memory. It does no I/O, knows nothing of HTTP and needs no runtime.
//!
//! * A [`Quota`] is an amount of a [`Unit`] per window. A [`Charge`] takes a [`Cost`] of it from a [`Key`]'s account.
//! * A [`Limiter`] takes all charges of a request, or none. A denial is a value, [`Decision::Deny`], and says exactly
//!   how long to wait.
//! * An admitted request gets a [`Permit`]: settled with what was really used, or dropped, which frees its slots of
//!   concurrent limits.
//! * A [`Store`] keeps the balances. [`MemoryStore`] is one, for a single process.
//! * A [`DenyCache`] remembers what a store denied, so that a key which is over its limit costs that store nothing.
//! * A [`Leased`] store takes chunks of a quota from a store behind a network, and spends them without a call.
//! * A [`Fallback`] goes on when a store behind a network does not answer, in the [`OutageMode`] of each charge.
//!
//! ```
//! use sluicegate::{Decision, Limit, Limiter, MemoryStore, Quota};
//!
//! static REQUESTS: Limit = Limit::new("requests", Quota::per_minute(10));
//!
//! let limiter = Limiter::new(MemoryStore::new());
//! match limiter.check_now("alice", &REQUESTS) {
//!     Decision::Allow(_permit) => println!("welcome"),
//!     Decision::Deny(denial) => println!("try again in {:?}", denial.retry_after()),
//! }
//! ```
//!
//! Several limits, with costs that are known only afterwards, and slots that are held for as long as the permit:
//!
//! ```
//! use sluicegate::{Cost, Decision, Limit, Limiter, MemoryStore, Quota, Unit};
//!
//! static REQUESTS: Limit = Limit::new("requests", Quota::per_minute(10));
//! static ITEMS: Limit = Limit::new("items", Quota::per_minute(100).of(Unit::Items));
//! static GPU: Limit = Limit::new("gpu", Quota::concurrent(4));
//!
//! let limiter = Limiter::new(MemoryStore::new());
//! let charges = [REQUESTS.charge("alice"), ITEMS.charge("alice").cost(32), GPU.charge(())];
//! match limiter.take_now(&charges) {
//!     Decision::Allow(permit) => {
//!         assert_eq!(permit.balances()[1].remaining, 68);
//!         // Eight of the 32 items were already in the model's cache.
//!         permit.settle_now(&[Cost::ONE, Cost::new(24)]);
//!     }
//!     Decision::Deny(denial) => eprintln!("limit {} says: wait {:?}", denial.charge, denial.wait),
//! }
//! ```
//!
//! The guide `docs/rust.md` shows more, with a table for users of governor.

mod algorithm;
mod backend;
mod balance;
mod charge;
mod clock;
mod cost;
mod decision;
mod deny_cache;
mod fallback;
mod fingerprint;
mod key;
mod lease;
mod leased;
mod lender;
mod limit;
mod limiter;
mod memory;
mod outage_mode;
mod permit;
mod queues;
mod quota;
mod resilient;
mod server_id;
mod store;
mod timestamp;
mod unit;
mod wait;

pub mod accounts;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use backend::{Backend, Decided, Origin};
pub use balance::{Balance, Balances};
pub use charge::Charge;
pub use clock::{Clock, ManualClock, SteadyClock, SystemClock};
pub use cost::Cost;
pub use decision::{Decision, Denial};
pub use deny_cache::{DenyCache, DenyCacheBuilder};
pub use fallback::{Fallback, FallbackBuilder, FallbackLease, ServerState, Taker, Transition};
pub use key::{Key, KeyParts, KeyWriter};
pub use lease::{Lease, Taken};
pub use leased::{Leased, LeasedBuilder, LeasedLease, LeasedStatistics};
pub use lender::{Chunk, Lender, Remainder};
pub use limit::Limit;
pub use limiter::Limiter;
pub use memory::{MemoryStore, MemoryStoreBuilder};
pub use outage_mode::{OutageMode, UnknownOutageMode};
pub use permit::Permit;
pub use quota::{Quota, QuotaError};
pub use resilient::Resilient;
pub use server_id::ServerId;
pub use store::{Store, StoreError};
pub use timestamp::Timestamp;
pub use unit::{Unit, UnknownUnit};
pub use wait::Wait;
