//! One request at an upstream, until the last byte of its answer.

use std::{rc::Rc, time::Duration};

use http::Response;
use http_body::Body;
use sluicegate_policy::{MediaType, Upstream as Address};

use super::{
    Answered, Upstream,
    connection::{Connection, Switched},
    ejection::RequestKind,
};
use crate::request::body::UpstreamBody;

/// One request at an upstream, in flight there until this is dropped. A connection of its own goes back to the pool by
/// [`finish`](Exchange::finish), and is closed if the exchange is dropped before.
pub(crate) struct Exchange {
    upstream: Rc<Upstream>,
    connection: Option<Connection>,
    kind: RequestKind,
}

impl Exchange {
    /// A request that is about to be sent.
    pub(super) fn begin(upstream: Rc<Upstream>) -> Self {
        upstream.in_flight.add();
        let kind = upstream.health.classify();
        Self { upstream, connection: None, kind }
    }

    /// The upstream that gets the request.
    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The address of the upstream that gets the request.
    pub(crate) fn address(&self) -> &Address {
        &self.upstream.address
    }

    /// The head of the answer has come, and its body arrives on this connection, if that is the exchange's alone.
    pub(super) fn answered(
        mut self,
        response: Response<UpstreamBody>,
        connection: Option<Connection>,
    ) -> Answered {
        self.upstream.health.answered(self.kind, response.status());
        if let Some(connection) = connection.as_ref().filter(|_| is_event_stream(&response)) {
            connection.rest_after(REST_OF_STREAM);
        }
        self.connection = connection;
        Answered { response, exchange: self }
    }

    /// The upstream has not taken the request, or not answered it.
    pub(super) fn failed(&self) {
        self.upstream.health.failed(self.kind);
    }

    /// The stream of the other protocol that the upstream has agreed to.
    pub(crate) async fn switched(&mut self) -> Option<Switched> {
        self.connection.as_mut()?.switched().await
    }

    /// The answer has arrived to its last byte.
    pub(crate) fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.rest();
            self.upstream.links.put(connection);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.upstream.in_flight.remove();
    }
}

fn is_event_stream(response: &Response<UpstreamBody>) -> bool {
    response.body().size_hint().exact().is_none() && MediaType::of(response.headers()) == MediaType::Events
}

/// The time for which a connection rests after a stream. llama-server closes it then, though the head has said otherwise,
/// and a request that crosses with the close would be lost.
const REST_OF_STREAM: Duration = Duration::from_millis(100);
