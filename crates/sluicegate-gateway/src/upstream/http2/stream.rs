//! The body of an answer that comes by HTTP/2.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{header::CONTENT_LENGTH, response::Parts};
use http_body::{Body, Frame, SizeHint};

use super::{Slot, progress::Overdue, upload::Upload};
use crate::request::body::{CutOff, Http2Body};

/// The body of an answer, whose request may still be on its way. Dropping it before its end resets the stream.
pub(crate) struct Stream {
    incoming: Http2Body,
    /// Since the last frame was taken.
    waits: bool,
    overdue: Overdue,
    _upload: Upload,
    slot: Slot,
}

impl Stream {
    /// The body that comes after this head.
    pub(super) fn new(
        head: &Parts,
        incoming: RecvStream,
        overdue: Overdue,
        upload: Upload,
        slot: Slot,
    ) -> Self {
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let incoming = Http2Body::new(incoming, length);
        Self { incoming, waits: false, overdue, _upload: upload, slot }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        // An upstream that never pauses leaves the alarm no time.
        if this.overdue.progress().is_over() {
            return Poll::Ready(Some(Err(CutOff::Overdue)));
        }
        let frame = match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                // The time before was the client's.
                if !std::mem::replace(&mut this.waits, true) {
                    this.overdue.progress().note_moved();
                }
                return this.overdue.poll(cx).map(|()| Some(Err(CutOff::Overdue)));
            }
        };
        this.waits = false;
        this.slot.note_heard();
        Poll::Ready(match frame {
            // The answer is whole, and the rest of the request is of no interest (RFC 9113, section 8.1).
            Some(Err(error)) if error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => None,
            frame => frame.map(|frame| frame.map_err(CutOff::Http2)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
