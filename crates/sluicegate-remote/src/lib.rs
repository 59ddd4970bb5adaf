//! Shared parts of stores behind a network.

mod backoff;
mod wake_batch;

pub use backoff::{Backoff, jittered};
pub use wake_batch::{BatchedTask, WakeBatch, batch_wakes};
