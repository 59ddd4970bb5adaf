//! A body that comes by HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};

/// The body of a request or a response that comes on a stream of HTTP/2. Dropping it before its end resets the stream.
pub(crate) struct Http2Body {
    incoming: RecvStream,
    /// The bytes still to come, if the head tells their number.
    left: Option<u64>,
    /// Nothing but trailers can come.
    data_ended: bool,
}

impl Http2Body {
    /// The body that comes after a head with this length.
    pub(crate) fn new(incoming: RecvStream, length: Option<u64>) -> Self {
        Self { incoming, left: length, data_ended: false }
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.data_ended {
            if let Some(data) = ready!(this.incoming.poll_data(cx)) {
                return Poll::Ready(Some(data.and_then(|data| {
                    // The other side's from here on, which has to take it before more is asked for.
                    this.incoming.flow_control().release_capacity(data.len())?;
                    this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                    Ok(Frame::data(data))
                })));
            }
            this.data_ended = true;
        }
        let trailers = ready!(this.incoming.poll_trailers(cx));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
