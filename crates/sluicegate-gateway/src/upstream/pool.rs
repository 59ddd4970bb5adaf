//! The idle connections of one worker.

use std::cell::RefCell;

use super::connection::Connection;

/// A bounded stack of idle connections: the most recently used is taken first, so that the rest can expire.
#[derive(Default)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Connection>>,
}

impl Pool {
    /// An idle connection that is still open as far as is known, if there is one.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        for place in (0..idle.len()).rev() {
            if idle[place].rests() {
                continue;
            }
            let connection = idle.remove(place);
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request; closes it if it cannot carry one or the pool is full.
    pub(super) fn put(&self, connection: Connection) {
        if !connection.is_ready() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() == MOST_IDLE {
            idle.retain(Connection::is_ready);
        }
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }
}

/// Idle connections kept per worker.
const MOST_IDLE: usize = 256;
