//! Where an account is kept.

use std::sync::Arc;

/// Where an account is kept: its item's name, and on which of the servers.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: Arc<str>,
    pub(crate) server: usize,
}
