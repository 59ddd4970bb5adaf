//! The connections of HTTP/2 that one worker has to one upstream.

use std::cell::RefCell;

use super::Connection;

/// Connections on which requests may begin. The first are filled first, so that the last can expire.
#[derive(Default)]
pub(in crate::upstream) struct Pool {
    open: RefCell<Vec<Connection>>,
}

impl Pool {
    /// A connection with room for one more request, if there is one.
    pub(in crate::upstream) fn find(&self) -> Option<Connection> {
        let mut open = self.open.borrow_mut();
        open.retain(Connection::is_open);
        open.iter().find(|connection| connection.has_room()).cloned()
    }

    pub(in crate::upstream) fn put(&self, connection: Connection) {
        self.open.borrow_mut().push(connection);
    }
}
