//! The location of an account.

use std::sync::Arc;

/// The location of an account: its item's name, and the number of its server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Location {
    pub(crate) name: Arc<str>,
    pub(crate) server: usize,
}
