//! The state of a store's server.

/// The state of one of the servers of the store behind a [`Fallback`](crate::Fallback).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerState {
    /// Its address.
    pub server: String,
    /// `true` if it answers, as far as is known. `None` if it keeps no accounts any more.
    pub up: Option<bool>,
    /// Failed calls of it.
    pub errors: u64,
    /// Times that it stopped answering.
    pub outages: u64,
}
