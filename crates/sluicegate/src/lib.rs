//! A rate limiter with exact books.
//!
//! Sluicegate decides, for every request to a machine-learning API, whether it may pass now. This crate is the
//! engine: values, algorithms, and a store in memory. It does no I/O, knows nothing of HTTP and needs no runtime.
//!
//! * A [`Quota`] is an amount of a [`Unit`] per window. A [`Charge`] takes a [`Cost`] of it from a [`Key`]'s account.
//! * A [`Store`] takes all charges of a request, or none. A denial is a value, [`Decision::Deny`], and says exactly
//!   how long to wait.

mod algorithm;
mod balance;
mod charge;
mod clock;
mod cost;
mod decision;
mod key;
mod lease;
mod quota;
mod store;
mod timestamp;
mod unit;
mod wait;

pub mod accounts;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use balance::{Balance, Balances};
pub use charge::Charge;
pub use clock::{Clock, ManualClock, SystemClock};
pub use cost::Cost;
pub use decision::{Decision, Denial};
pub use key::Key;
pub use lease::{Lease, Taken};
pub use quota::{Quota, QuotaError};
pub use store::{Store, StoreError};
pub use timestamp::Timestamp;
pub use unit::{Unit, UnknownUnit};
pub use wait::Wait;
