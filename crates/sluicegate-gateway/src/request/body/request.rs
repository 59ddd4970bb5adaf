//! A request's body: from the client, and to the upstream.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use sluicegate_http::Held;

use super::{Http2Body, Incomplete, Unread, clean_trailers, discard::linger, incoming::Incoming, is_last};
use crate::{request::interim::Interims, upstream::State};

/// The body that a client is sending. Dropped before its end, it notes that on a connection of HTTP/1.1, and is read on
/// for a while on a stream of HTTP/2.
pub(crate) struct ClientBody {
    /// None if there is none, and once it is dropped.
    incoming: Option<Incoming>,
    ended: bool,
    /// The flag that tells others of its end.
    whole: Option<Rc<Cell<bool>>>,
}

/// The part of a request that has arrived from its client.
pub(crate) struct Arrival(Option<Rc<Cell<bool>>>);

/// The body that goes to the upstream.
pub(crate) enum RequestBody {
    /// It was read before the decision.
    Read(Option<Bytes>),
    /// Its beginning was read before the decision, or sent in vain: these pieces first, and then the rest.
    Begun(Held<Box<Self>>),
    /// It is forwarded as it comes. The upstream connection is told whether it has to wait for the client.
    Streamed(ClientBody, Option<Rc<State>>),
}

impl ClientBody {
    /// The body of a request that arrived on the connection of `unread`.
    pub(crate) fn http1(incoming: hyper::body::Incoming, unread: Unread) -> Self {
        Self::new(Incoming::Http1(incoming, unread))
    }

    /// The body of a request that arrived on a stream of its own, with this length if its head tells one. A client that waits
    /// for an `invitation` gets it when the body is wanted.
    pub(crate) fn http2(incoming: RecvStream, length: Option<u64>, invitation: Option<Interims>) -> Self {
        Self::new(Incoming::Http2(Http2Body::new(incoming, length), invitation))
    }

    /// No body.
    pub(crate) fn none() -> Self {
        Self { incoming: None, ended: true, whole: None }
    }

    fn new(incoming: Incoming) -> Self {
        let ended = incoming.is_end_stream();
        Self { incoming: Some(incoming), ended, whole: None }
    }

    fn is_http2(&self) -> bool {
        matches!(self.incoming, Some(Incoming::Http2(..)))
    }

    fn arrival(&mut self) -> Arrival {
        if !self.ended {
            self.whole = Some(Rc::default());
        }
        Arrival(self.whole.clone())
    }
}

impl Arrival {
    /// Returns `true` if all of it has arrived.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.as_deref().is_none_or(Cell::get)
    }
}

impl Default for RequestBody {
    /// No body.
    fn default() -> Self {
        Self::Read(None)
    }
}

impl RequestBody {
    /// Returns a view of how much of it has arrived, which stays up to date.
    pub(crate) fn arrival(&mut self) -> Arrival {
        match self {
            Self::Read(_) => Arrival(None),
            Self::Begun(held) => held.rest_mut().arrival(),
            Self::Streamed(body, _) => body.arrival(),
        }
    }

    /// The body of which a decision has `held` the beginning, and maybe all.
    pub(crate) fn held(held: Bytes, rest: ClientBody) -> Self {
        if rest.ended { Self::Read(Some(held)) } else { Self::Streamed(rest, None).after(vec![held]) }
    }

    /// Returns the part that has not been read from the client.
    pub(crate) fn into_rest(self) -> Option<ClientBody> {
        match self {
            Self::Read(_) => None,
            Self::Begun(held) => held.into_rest().into_rest(),
            Self::Streamed(body, _) => Some(body),
        }
    }

    /// Returns `true` if trailers may follow: behind chunks, and on any stream of HTTP/2.
    pub(crate) fn may_have_trailers(&self) -> bool {
        match self {
            Self::Read(_) => false,
            Self::Begun(held) => held.rest().may_have_trailers(),
            Self::Streamed(body, _) => body.is_http2() || body.size_hint().exact().is_none(),
        }
    }

    /// Tells `state` from now on when the client keeps the upstream waiting.
    pub(crate) fn report_to(&mut self, state: &Rc<State>) {
        match self {
            Self::Streamed(body, told) if !body.ended => *told = Some(Rc::clone(state)),
            Self::Begun(held) => held.rest_mut().report_to(state),
            Self::Streamed(..) | Self::Read(_) => {}
        }
    }

    /// The body of which these pieces have been taken, as it was before.
    pub(crate) fn after(self, taken: Vec<Bytes>) -> Self {
        if taken.is_empty() { self } else { Self::Begun(Held::new(taken, Box::new(self))) }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let mut frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        let ended = is_last(frame.as_ref()) || incoming.is_end_stream();
        clean_trailers(&mut frame);
        self.ended = ended;
        if let Some(whole) = self.whole.as_ref().filter(|_| ended) {
            whole.set(true);
        }
        if let Some(Incoming::Http1(_, unread)) = self.incoming.as_ref().filter(|_| ended) {
            unread.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match self.incoming.take() {
            Some(Incoming::Http1(_, unread)) => unread.mark(),
            Some(Incoming::Http2(body, _)) => linger(body),
            None => {}
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        match self.get_mut() {
            Self::Read(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Begun(held) => Pin::new(held).poll_frame(cx),
            Self::Streamed(body, told) => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                if let Some(state) = told {
                    state.request_body(polled.is_pending());
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Read(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Begun(held) => held.is_end_stream(),
            Self::Streamed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Read(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Begun(held) => held.size_hint(),
            Self::Streamed(body, _) => body.size_hint(),
        }
    }
}
