//! The reason that Memcached did not reply.

use std::sync::Arc;

use sluicegate::{ServerId, StoreError};

/// The reason that Memcached did not reply, for every caller that waits.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    message: Arc<str>,
    kind: Kind,
    /// The server that failed, if one did.
    server: Option<ServerId>,
    /// Set if the commands may have been executed nevertheless.
    pub(crate) perhaps_done: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// It may heal by itself.
    Outage,
    /// A person must mend it.
    Misconfiguration,
    /// The connection over which it was to be asked is no more, but there is another.
    Replaced,
}

impl Failure {
    /// It may heal by itself.
    pub(crate) fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into(), kind: Kind::Outage, server: None, perhaps_done: false }
    }

    /// A person must mend it.
    pub(crate) fn misconfigured(message: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::Misconfiguration, ..Self::new(message) }
    }

    /// The connection over which it was to be asked is no more, but there is another.
    pub(crate) fn replaced(message: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::Replaced, ..Self::new(message) }
    }

    /// The same for a request that was sent already.
    pub(crate) fn after_sending(self) -> Self {
        Self { perhaps_done: true, ..self }
    }

    /// The same of this server.
    pub(crate) fn at(self, server: usize) -> Self {
        Self { server: Some(id(server)), ..self }
    }

    /// Returns `true` if another attempt, after another read, may well succeed.
    pub(crate) fn is_replaced(&self) -> bool {
        self.kind == Kind::Replaced
    }

    pub(crate) fn error(&self) -> StoreError {
        let error = match self.kind {
            Kind::Misconfiguration => StoreError::misconfigured(&*self.message),
            Kind::Outage | Kind::Replaced => StoreError::new(&*self.message),
        };
        self.server.into_iter().fold(error, StoreError::at)
    }

    /// One error for several failures: it has the text of the first, and names the servers of all.
    pub(crate) fn error_of<'f>(failures: impl IntoIterator<Item = &'f Self>) -> Option<StoreError> {
        let mut failures = failures.into_iter();
        let first = failures.next()?.error();
        Some(failures.filter_map(|failure| failure.server).fold(first, StoreError::at))
    }
}

/// Returns the id of a server, which is its place in the URL.
pub(crate) fn id(server: usize) -> ServerId {
    ServerId::new(u32::try_from(server).unwrap_or(u32::MAX))
}
