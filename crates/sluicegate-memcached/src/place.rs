//! The place of an account.

use std::sync::Arc;

/// The place of an account: its item's name, and the index of its server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: Arc<str>,
    pub(crate) server: usize,
}
