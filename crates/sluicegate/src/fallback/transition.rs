//! Word of an outage.

use std::{fmt, time::Duration};

/// What happened to one of the servers of the store behind a [`Fallback`](crate::Fallback).
///
/// A server is named by its address where the store has several, and else not at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transition {
    /// It does not answer: from now on it is only probed, and requests go on by their charges' outage policy.
    Down {
        /// The server's address.
        server: Option<String>,
        /// What its last call failed with.
        error: String,
    },
    /// It answers again, and is asked again.
    Up {
        /// The server's address.
        server: Option<String>,
        /// How long it did not.
        after: Duration,
    },
    /// It never answered again, but keeps no accounts any more: other servers do, and they are asked.
    Replaced {
        /// The server's address.
        server: Option<String>,
        /// How long it did not answer.
        after: Duration,
    },
}

/// A line for logs.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { server: None, error } => {
                write!(f, "the store does not answer: {error}; limits go on by their outage policy")
            }
            Self::Down { server: Some(server), error } => write!(
                f,
                "the store's server {server} does not answer: {error}; the limits that it keeps go on by their outage \
                 policy, all others as before"
            ),
            Self::Up { server: None, after } => write!(f, "the store answers again after {after:.1?}"),
            Self::Up { server: Some(server), after } => {
                write!(f, "the store's server {server} answers again after {after:.1?}")
            }
            Self::Replaced { server: None, after } => {
                write!(f, "other servers of the store keep all limits again after {after:.1?}")
            }
            Self::Replaced { server: Some(server), after } => {
                write!(f, "other servers of the store keep the limits of {server} after {after:.1?}")
            }
        }
    }
}
