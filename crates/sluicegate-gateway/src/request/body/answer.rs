//! The body of the answer to a client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{BodyMetering, CutOff, MeteredBody, RelayedBody};

/// The body of a response.
#[expect(clippy::large_enum_variant, reason = "most answers are relayed")]
pub(crate) enum AnswerBody {
    /// The upstream's answer.
    Relayed(RelayedBody),
    /// The same, where its tokens are metered. Boxed, because most are not.
    Metered(Box<MeteredBody>),
    /// An answer of ours.
    Own(Option<Bytes>),
}

impl AnswerBody {
    /// The upstream's answer, metered if there is a way.
    #[inline]
    pub(crate) fn relayed(body: RelayedBody, metering: Option<BodyMetering>) -> Self {
        match metering {
            Some(metering) => Self::Metered(Box::new(MeteredBody::new(body, metering))),
            None => Self::Relayed(body),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
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
