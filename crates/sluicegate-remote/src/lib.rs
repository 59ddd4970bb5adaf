//! Shared parts of stores behind a network.

mod wake_batch;

pub use wake_batch::{BatchedTask, WakeBatch, batch_wakes};
