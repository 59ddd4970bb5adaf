//! Lines that cannot be read.

use std::{fmt, sync::Arc};

/// A line that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    /// The name of the file.
    pub(crate) file: Arc<str>,
    /// The number of the line, from 1.
    pub(crate) line: u64,
    /// The reason.
    pub(crate) reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}
