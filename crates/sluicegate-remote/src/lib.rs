//! Shared parts of stores behind a network.

mod backoff;
mod deadlines;
mod key_names;
mod once_sender;
mod wake_batch;
mod wall_clock;

pub mod unix_time;

pub use backoff::{Backoff, jittered};
pub use deadlines::{Caller, Deadlines};
pub use key_names::{KeyedHash, letter, push_escaped};
pub use once_sender::OnceSender;
pub use wake_batch::{BatchedTask, WakeBatch, batch_wakes};
pub use wall_clock::WallClock;
