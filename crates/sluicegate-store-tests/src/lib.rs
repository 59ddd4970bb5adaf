//! The conformance suite that every Sluicegate store must pass.
//!
//! Make a [`Subject`] of the store, and let [`suite!`] write the tests:
//!
//! ```
//! # mod example {
//! use sluicegate::{Clock, Lease, ManualClock, MemoryStore, Timestamp};
//! use sluicegate_store_tests::Subject;
//! use std::time::Duration;
//!
//! struct Memory(MemoryStore<ManualClock>);
//!
//! impl Subject for Memory {
//!     type Store = MemoryStore<ManualClock>;
//!
//!     fn store(&self) -> &Self::Store {
//!         &self.0
//!     }
//!
//!     fn lease(lease: &Lease) -> Lease {
//!         *lease
//!     }
//!
//!     fn now(&self) -> Timestamp {
//!         self.0.clock().now()
//!     }
//!
//!     fn advance(&self, by: Duration) {
//!         self.0.clock().advance(by);
//!     }
//!
//!     fn set_back(&self, by: Duration) {
//!         self.0.clock().set_back(by);
//!     }
//!
//!     fn set_forward(&self, by: Duration) {
//!         self.0.clock().set_forward(by);
//!     }
//! }
//!
//! sluicegate_store_tests::suite!(|| Memory(MemoryStore::builder().clock(ManualClock::new()).build()));
//! # }
//! ```
//!
//! No behaviour needs more than two seconds of the store's time to pass at once, so that a store whose clock cannot
//! be moved can wait instead. A behaviour that is not in the suite does not exist.

pub mod behaviours;
pub mod lending;
pub mod oracle;

mod caller;
mod subject;
mod suite;

use caller::Caller;
pub use subject::Subject;
use subject::{LeaseOf, TakenOf};
