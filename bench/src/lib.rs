//! Sluicegate measured beside its peers, in one run.
//!
//! `benches/take_now.rs` measures checks in memory and `benches/redis.rs` in Redis, with the parts that are here;
//! `gateway.py` measures the gateway.

mod contender;
mod footprint;
mod median;
pub mod redis;
mod traffic;

pub use contender::{Contender, Governor, Path, Sluicegate};
pub use footprint::{child, footprint};
pub use median::median;
pub use traffic::{Draw, Traffic, keys};
