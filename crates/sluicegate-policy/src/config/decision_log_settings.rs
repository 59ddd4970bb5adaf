//! The settings of the decision log, resolved.

use std::path::PathBuf;

use crate::LogKeys;

/// The settings of the decision log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DecisionLogSettings {
    /// The file.
    pub path: PathBuf,
    /// The size at which the file is rotated, in bytes.
    pub max_size: u64,
    /// The number of older files kept.
    pub files: u32,
    /// The form of addresses, API keys, and values of headers, cookies, queries and bodies.
    pub keys: LogKeys,
}

impl DecisionLogSettings {
    /// A log in this file, and the rest by default.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, max_size: 100 << 20, files: 5, keys: LogKeys::Hashed }
    }
}
