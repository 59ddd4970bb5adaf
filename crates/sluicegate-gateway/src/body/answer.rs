//! The body of the answer to a client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{CutOff, KeptBody, UpstreamBody, is_last};
use crate::{proxy::Running, upstream::Exchange};

/// The body of a response.
pub(crate) enum AnswerBody {
    /// The upstream's answer, frame by frame as it comes; the permit and its slots are held until the last.
    Upstream {
        incoming: UpstreamBody,
        /// The status says that there is no content: what comes nevertheless is not passed on.
        is_bare: bool,
        exchange: Exchange,
        _running: Running,
    },
    /// The same, where the request goes on when the client leaves.
    Kept(KeptBody),
    /// An answer of ours.
    Own(Option<Bytes>),
}

impl AnswerBody {
    /// The upstream's answer, without content if that `is_bare`.
    pub(crate) fn upstream(
        incoming: UpstreamBody,
        is_bare: bool,
        mut exchange: Exchange,
        running: Running,
    ) -> Self {
        if incoming.is_end_stream() {
            // Hyper never polls an empty body.
            exchange.finish();
        }
        Self::Upstream { incoming, is_bare, exchange, _running: running }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Upstream { incoming, exchange, .. } => {
                let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
                if is_last(frame.as_ref()) || incoming.is_end_stream() {
                    exchange.finish();
                }
                Poll::Ready(frame)
            }
            Self::Kept(body) => Pin::new(body).poll_frame(cx),
            Self::Own(answer) => Poll::Ready(answer.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream { incoming, is_bare, .. } => *is_bare || incoming.is_end_stream(),
            Self::Kept(body) => body.is_end_stream(),
            Self::Own(answer) => answer.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream { is_bare: true, .. } => SizeHint::default(),
            Self::Upstream { incoming, .. } => incoming.size_hint(),
            Self::Kept(body) => body.size_hint(),
            Self::Own(answer) => SizeHint::with_exact(answer.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
