//! The body of the response to a client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{Exhausted, Metered, Relayed};
use crate::{BodyMetering, Timer};

/// The body of a response: one that is passed on, or one of ours.
#[derive(Debug)]
pub enum Answer<B, T> {
    /// The response to an admitted request.
    Relayed(B),
    /// The same, where its tokens are metered. Boxed, because most are not.
    Metered(Box<Metered<B, T>>),
    /// A response of ours.
    Own(Option<Bytes>),
}

impl<B, T> Answer<B, T> {
    /// The body of an admitted request's response, metered if there is a way. The timer delays the end of one that is cut.
    #[inline]
    pub fn relayed(body: B, metering: Option<BodyMetering>, timer: T) -> Self {
        match metering {
            Some(metering) => Self::Metered(Box::new(Metered::new(body, metering, timer))),
            None => Self::Relayed(body),
        }
    }
}

impl<B, T> Body for Answer<B, T>
where
    B: Relayed<Data = Bytes> + Unpin,
    B::Error: From<Exhausted>,
    T: Timer + Clone + Send + Sync + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.get_mut() {
            Self::Relayed(body) => Pin::new(body).poll_frame(cx),
            Self::Metered(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::Own(answer) => Poll::Ready(answer.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relayed(body) => body.is_end_stream(),
            Self::Metered(body) => body.is_end_stream(),
            Self::Own(answer) => answer.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relayed(body) => body.size_hint(),
            Self::Metered(body) => body.size_hint(),
            Self::Own(answer) => SizeHint::with_exact(answer.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
