//! Word of an outage.

use std::{fmt, time::Duration};

/// A change of state of one of the servers of the store behind a [`Fallback`](crate::Fallback).
///
/// `server` is its address, if the store has several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transition {
    /// It does not answer: from now on it is only probed, and requests go on by their charges' outage policy.
    Down {
        /// The server's address.
        server: Option<String>,
        /// The error of its last call.
        error: String,
    },
    /// It answers again, and is asked again.
    Up {
        /// The server's address.
        server: Option<String>,
        /// The length of the outage.
        after: Duration,
    },
    /// Other servers have taken over its accounts, and are asked for them.
    Replaced {
        /// The server's address.
        server: Option<String>,
        /// The length of the outage.
        after: Duration,
    },
}

/// A line for logs.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { server: None, error } => {
                write!(f, "the store does not answer: {error}; limits follow their outage policy")
            }
            Self::Down { server: Some(server), error } => write!(
                f,
                "the store's server {server} does not answer: {error}; its limits follow their outage policy, \
                 all others continue as before"
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
