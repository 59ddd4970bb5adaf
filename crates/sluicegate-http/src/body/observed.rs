//! A body whose frames are shown to an observer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that shows each data frame to an observer as it passes, and tells it the end.
///
/// The observer lives as long as the body. A permit in it is held until the server has sent the last byte, or the client
/// has left.
#[derive(Debug)]
pub struct Observed<B, O: Observer> {
    body: B,
    observer: O,
    has_ended: bool,
}

/// Looks at a body as it passes.
pub trait Observer {
    /// Sees the data of one frame.
    fn data(&mut self, data: &Bytes) {
        let _ = data;
    }

    /// Learns of the end, exactly once. After [`End::Dropped`] the observer itself is dropped.
    fn end(&mut self, end: End);
}

/// The end of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// All of it has passed.
    Complete,
    /// It broke off.
    Failed,
    /// Nothing wants the rest: the client has left, or the server stops.
    Dropped,
}

impl<B: Body<Data = Bytes>, O: Observer> Observed<B, O> {
    /// Shows this body to `observer`. One that is empty ends at once, because a server never polls it.
    pub fn new(body: B, observer: O) -> Self {
        let mut observed = Self { body, observer, has_ended: false };
        if observed.body.is_end_stream() {
            observed.end(End::Complete);
        }
        observed
    }
}

impl<B, O: Observer> Observed<B, O> {
    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// The observer, to be changed.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    fn end(&mut self, end: End) {
        if !self.has_ended {
            self.has_ended = true;
            self.observer.end(end);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin, O: Observer + Unpin> Body for Observed<B, O> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        // Never taken out, because each move of a frame costs as much as a look at it.
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => this.end(End::Complete),
            Poll::Ready(Some(Err(_))) => this.end(End::Failed),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.observer.data(data);
                }
                // Trailers are the last, and a server does not ask again after a frame that it knows to be.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.end(End::Complete);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B, O: Observer> Drop for Observed<B, O> {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}
