//! The unread rest of a client's requests.

use std::{cell::Cell, rc::Rc};

/// The unread rest of a request on an HTTP/1.1 connection, shared by its readers and the connection's stream. The default
/// is that of a connection before its first request.
#[derive(Clone, Default)]
pub(crate) struct Unread {
    connection: Rc<Connection>,
    /// The number of the request.
    request: u64,
}

#[derive(Default)]
struct Connection {
    /// A body was let go before its end.
    is_marked: Cell<bool>,
    /// The number of the last request.
    last: Cell<u64>,
    rest: Cell<Rest>,
}

/// The part of a connection's last request that is still to come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Any other protocol.
    #[default]
    Unknown,
    Body,
    Nothing,
}

impl Unread {
    /// Notes that the head of another request has been read, and what comes after it. So the last one's body has been, too.
    pub(crate) fn begin(&self, rest: Rest) -> Self {
        let connection = Rc::clone(&self.connection);
        let request = connection.last.get() + 1;
        connection.last.set(request);
        connection.is_marked.set(false);
        connection.rest.set(rest);
        Self { connection, request }
    }

    /// Notes that the request's body has been read to its end.
    ///
    /// A body may be taken to its end when the library has gone on to the next request: then this changes nothing.
    pub(crate) fn end(&self) {
        let Connection { last, rest, .. } = &*self.connection;
        if last.get() == self.request && rest.get() == Rest::Body {
            rest.set(Rest::Nothing);
        }
    }

    /// Notes that the rest of the request's body will not be read.
    pub(crate) fn mark(&self) {
        self.connection.is_marked.set(true);
    }

    /// Returns `true` if a body was let go before its end.
    pub(crate) fn is_marked(&self) -> bool {
        self.connection.is_marked.get()
    }

    /// Returns `true` if the last request has been read to its end, and another one comes next.
    pub(crate) fn is_nothing(&self) -> bool {
        self.connection.rest.get() == Rest::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_request_comes_when_the_last_has_been_read_to_its_end_and_no_earlier() {
        let connection = Unread::default();
        assert!(!connection.is_nothing());
        let first = connection.begin(Rest::Body);
        assert!(!connection.is_nothing());
        let second = connection.begin(Rest::Body);
        first.end();
        assert!(!connection.is_nothing(), "the second has a body to come");
        second.end();
        assert!(connection.is_nothing());
        let switched = connection.begin(Rest::Unknown);
        switched.end();
        assert!(!connection.is_nothing(), "another protocol may follow");
        connection.begin(Rest::Nothing);
        assert!(connection.is_nothing());
    }

    #[test]
    fn a_body_that_was_let_go_has_been_read_once_the_next_request_comes() {
        let connection = Unread::default();
        connection.begin(Rest::Body).mark();
        assert!(connection.is_marked());
        connection.begin(Rest::Nothing);
        assert!(!connection.is_marked());
    }
}
