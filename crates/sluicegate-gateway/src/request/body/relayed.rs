//! The body of an upstream's answer, on its way to the client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluicegate_http::{End, Observed, Observer, Relayed};
use sluicegate_policy::Repetition;

use super::{CutOff, DetachedBody, UpstreamBody};
use crate::{request::running::Running, upstream::Exchange};

/// The body of an upstream's answer, frame by frame as it comes; the permit and its slots are held until the last.
pub(crate) enum RelayedBody {
    /// The request ends when its client leaves.
    Attended {
        incoming: Observed<UpstreamBody, Attended>,
        /// The status says that there is no content: what comes nevertheless is not passed on.
        is_bare: bool,
    },
    /// The request goes on when its client leaves.
    Detached(DetachedBody),
}

impl RelayedBody {
    /// The body of an answer whose request ends with its client, without content if that `is_bare`.
    pub(crate) fn attended(
        incoming: UpstreamBody,
        is_bare: bool,
        exchange: Exchange,
        running: Running,
    ) -> Self {
        let attended = Attended { exchange, running };
        Self::Attended { incoming: Observed::new(incoming, attended), is_bare }
    }

    /// The request that is answered. `None` once its rest has been handed on.
    #[inline]
    fn running(&mut self) -> Option<&mut Running> {
        match self {
            Self::Attended { incoming, .. } => Some(&mut incoming.observer_mut().running),
            Self::Detached(body) => body.running(),
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

impl Relayed for RelayedBody {
    #[inline]
    fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        self.running()?.extend(cx)
    }

    fn repetition(&mut self) -> Option<Repetition> {
        self.running()?.repetition()
    }
}

impl Body for RelayedBody {
    type Data = Bytes;
    type Error = CutOff;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Attended { incoming, .. } => Pin::new(incoming).poll_frame(cx),
            Self::Detached(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Attended { incoming, is_bare } => *is_bare || incoming.is_end_stream(),
            Self::Detached(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Attended { is_bare: true, .. } => SizeHint::default(),
            Self::Attended { incoming, .. } => incoming.size_hint(),
            Self::Detached(body) => body.size_hint(),
        }
    }
}
