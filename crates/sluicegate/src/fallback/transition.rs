//! Word of an outage.

use std::{fmt, time::Duration};

/// What happened to the store behind a [`Fallback`](crate::Fallback).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transition {
    /// It does not answer: from now on it is only probed, and requests go on by their charges' outage policy.
    Down {
        /// What its last call failed with.
        error: String,
    },
    /// It answers again, and is asked again.
    Up {
        /// How long it did not.
        after: Duration,
    },
}

/// A line for logs.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { error } => {
                write!(f, "the store does not answer: {error}; limits go on by their outage policy")
            }
            Self::Up { after } => write!(f, "the store answers again after {after:.1?}"),
        }
    }
}
