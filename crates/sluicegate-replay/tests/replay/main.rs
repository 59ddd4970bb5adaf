//! Logs of every kind, decided by policies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod formats;
mod hostile;
mod live;
mod reports;
