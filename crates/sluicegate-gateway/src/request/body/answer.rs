//! The body of the answer to a client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluicegate_http::{End, Observed, Observer};

use super::{BodyMetering, CutOff, DetachedBody, MeteredBody, UpstreamBody};
use crate::{request::running::Running, upstream::Exchange};

/// The body of a response.
pub(crate) enum AnswerBody {
    /// The upstream's answer, frame by frame as it comes; the permit and its slots are held until the last.
    Upstream {
        incoming: Observed<UpstreamBody, Attended>,
        /// The status says that there is no content: what comes nevertheless is not passed on.
        is_bare: bool,
    },
    /// The same, where the request goes on when the client leaves.
    Detached(DetachedBody),
    /// Either of these, where the tokens of the answer are metered. Boxed, because most are not.
    Metered(Box<MeteredBody>),
    /// An answer of ours.
    Own(Option<Bytes>),
}

impl AnswerBody {
    /// The upstream's answer, without content if that `is_bare`.
    pub(crate) fn upstream(
        incoming: UpstreamBody,
        is_bare: bool,
        exchange: Exchange,
        running: Running,
    ) -> Self {
        let attended = Attended { exchange, running };
        Self::Upstream { incoming: Observed::new(incoming, attended), is_bare }
    }

    /// The same answer, metered in this way.
    pub(crate) fn metered(self, metering: BodyMetering) -> Self {
        Self::Metered(Box::new(MeteredBody::new(self, metering)))
    }

    /// The request that is answered, as long as it is answered by an upstream.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self {
            Self::Upstream { incoming, .. } => Some(&mut incoming.observer_mut().running),
            Self::Detached(body) => body.running(),
            Self::Metered(_) | Self::Own(_) => None,
        }
    }
}

/// An exchange with the upstream whose client waits for the end.
pub(crate) struct Attended {
    exchange: Exchange,
    /// Its permit and its slots.
    running: Running,
}

impl Observer for Attended {
    fn data(&mut self, data: &Bytes) {
        self.running.data(data);
    }

    fn end(&mut self, end: End) {
        if end == End::Complete {
            self.exchange.finish();
            self.running.ended();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Upstream { incoming, .. } => Pin::new(incoming).poll_frame(cx),
            Self::Detached(body) => Pin::new(body).poll_frame(cx),
            Self::Metered(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::Own(answer) => Poll::Ready(answer.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream { incoming, is_bare, .. } => *is_bare || incoming.is_end_stream(),
            Self::Detached(body) => body.is_end_stream(),
            Self::Metered(body) => body.is_end_stream(),
            Self::Own(answer) => answer.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream { is_bare: true, .. } => SizeHint::default(),
            Self::Upstream { incoming, .. } => incoming.size_hint(),
            Self::Detached(body) => body.size_hint(),
            Self::Metered(body) => body.size_hint(),
            Self::Own(answer) => SizeHint::with_exact(answer.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
