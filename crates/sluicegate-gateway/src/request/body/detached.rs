//! The body of an answer whose rest is not lost when its client leaves.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::{CutOff, UpstreamBody, is_last};
use crate::{request::running::Running, upstream::Exchange};

/// The body of an upstream's answer. Dropped before its end, it hands on what remains.
pub(crate) struct DetachedBody {
    /// Taken when it is dropped.
    remains: Option<Remains>,
    /// Hands on what remains. None once nothing does.
    left: Option<oneshot::Sender<Remains>>,
    /// The status says that there is no content: what comes nevertheless is not passed on.
    is_bare: bool,
}

/// The rest of an exchange with an upstream. Dropping it ends the exchange, whatever the upstream does.
pub(crate) struct Remains {
    pub(crate) incoming: UpstreamBody,
    pub(crate) exchange: Exchange,
    pub(crate) running: Running,
}

impl DetachedBody {
    /// The body, without content if that `is_bare`, and where its remains go when it is dropped: nothing comes if all of
    /// it was read.
    pub(crate) fn new(mut remains: Remains, is_bare: bool) -> (Self, oneshot::Receiver<Remains>) {
        let (left, received) = oneshot::channel();
        let has_ended = remains.incoming.is_end_stream();
        if has_ended {
            // Hyper never polls an empty body.
            remains.finish();
        }
        (Self { remains: Some(remains), left: (!has_ended).then_some(left), is_bare }, received)
    }

    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.remains.as_mut().map(|remains| &mut remains.running)
    }

    /// Returns the rest of the exchange, until the body is dropped.
    pub(crate) fn remains(&self) -> Option<&Remains> {
        self.remains.as_ref()
    }
}

impl Remains {
    /// Reads the answer to its end, and forgets it piece by piece.
    pub(crate) async fn discard(mut self) {
        loop {
            match poll_fn(|cx| self.poll_frame(cx)).await {
                Some(Ok(frame)) if !frame.is_trailers() && !self.has_ended() => {}
                Some(Err(error)) => {
                    return tracing::debug!(%error, "an answer that nobody waits for ended early");
                }
                _ => return,
            }
        }
    }

    /// Polls the upstream's body, and takes note of what comes and of the end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.running.data(data);
        }
        if is_last(frame.as_ref()) || self.has_ended() {
            self.finish();
        }
        Poll::Ready(frame)
    }

    fn has_ended(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn finish(&mut self) {
        self.exchange.finish();
        self.running.ended();
    }
}

impl Body for DetachedBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = self.get_mut();
        let Some(remains) = &mut this.remains else { return Poll::Ready(None) };
        let frame = ready!(remains.poll_frame(cx));
        if is_last(frame.as_ref()) || remains.has_ended() || matches!(frame, Some(Err(_))) {
            this.left = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_bare || self.remains.as_ref().is_none_or(|remains| remains.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.remains {
            Some(remains) if !self.is_bare => remains.incoming.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for DetachedBody {
    fn drop(&mut self) {
        if let (Some(left), Some(remains)) = (self.left.take(), self.remains.take()) {
            // If nobody takes it, the gateway stops.
            drop(left.send(remains));
        }
    }
}
