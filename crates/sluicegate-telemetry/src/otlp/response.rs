//! A collector's response.

/// The part that a collector refused of a request that it accepted otherwise.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    /// The number of spans or points of metrics.
    pub count: u64,
    /// Its reason, or a warning if it refused nothing.
    pub message: String,
}

impl Refused {
    pub(super) fn new(count: i64, message: String) -> Self {
        Self { count: u64::try_from(count).unwrap_or(0), message }
    }
}
