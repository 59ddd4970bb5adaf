//! How a server of a store does.

/// How one of the servers of the store behind a [`Fallback`](crate::Fallback) does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerState {
    /// Its address.
    pub server: String,
    /// Whether it is asked; `None` where it keeps no accounts any more, so that nobody needs to know.
    pub up: Option<bool>,
    /// Calls of it that failed.
    pub errors: u64,
    /// How often it went from answering to not answering.
    pub outages: u64,
}
