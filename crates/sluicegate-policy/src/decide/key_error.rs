//! Errors in the keys of limits.

/// An invalid key: the wrong text, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyError {
    /// The index of the wrong text.
    pub index: usize,
    /// The error.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for KeyError {}
