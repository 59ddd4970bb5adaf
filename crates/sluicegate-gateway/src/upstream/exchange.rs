//! One request at an upstream, until the last byte of its answer.

use std::rc::Rc;

use http::Response;
use hyper::body::Incoming;

use super::{Answered, Upstream, connection::Connection};

/// One request at an upstream, in flight there until this is dropped. Its connection goes back to the pool by
/// [`finish`](Exchange::finish), and is closed if the exchange is dropped before.
pub(crate) struct Exchange {
    upstream: Rc<Upstream>,
    connection: Option<Connection>,
}

impl Exchange {
    /// A request that is about to be sent.
    pub(super) fn begin(upstream: Rc<Upstream>) -> Exchange {
        upstream.in_flight.add();
        Exchange { upstream, connection: None }
    }

    /// Where the request goes.
    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The head of the answer has come, and its body arrives on this connection.
    pub(super) fn answered(mut self, response: Response<Incoming>, connection: Connection) -> Answered {
        self.connection = Some(connection);
        Answered { response, exchange: self }
    }

    /// The answer has arrived to its last byte.
    pub(crate) fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.rest();
            self.upstream.pool.put(connection);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.upstream.in_flight.remove();
    }
}
