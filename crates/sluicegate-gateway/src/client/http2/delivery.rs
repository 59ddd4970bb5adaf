//! The body of a response on its way to a client of HTTP/2.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::time::{Sleep, sleep};

use super::reset_budget::OpenRequest;
use crate::request::body::AnswerBody;

/// Sends a body as fast as the client takes it, and holds at most one piece of it. It marks `open_request` as ended with the body.
///
/// A client may stop reading one stream while its connection lives: nothing but time tells. So a stream that waits for its
/// client longer than `stall` is cut.
///
/// # Errors
///
/// When the stream is over before all was sent.
pub(super) async fn deliver(
    body: AnswerBody,
    to: SendStream<Bytes>,
    stall: Duration,
    open_request: &mut OpenRequest,
) -> Result<(), h2::Error> {
    let mut delivery = Delivery { body, to, held: Bytes::new(), is_last: false, stall, alarm: None };
    poll_fn(|cx| delivery.poll(cx, open_request)).await
}

struct Delivery {
    body: AnswerBody,
    to: SendStream<Bytes>,
    /// The piece that the client has to take before the next is read.
    held: Bytes,
    /// Nothing comes after it.
    is_last: bool,
    stall: Duration,
    /// Set while the client is waited for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Delivery {
    fn poll(&mut self, cx: &mut Context<'_>, open_request: &mut OpenRequest) -> Poll<Result<(), h2::Error>> {
        loop {
            while !self.held.is_empty() {
                let room = ready!(self.poll_room(cx))?;
                let piece = self.held.split_to(room.min(self.held.len()));
                let is_end = self.is_last && self.held.is_empty();
                self.to.send_data(piece, is_end)?;
                if is_end {
                    return Poll::Ready(Ok(()));
                }
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                // Nothing else would tell that the client has reset the stream.
                return self.to.poll_reset(cx).map(|reset| Err(reset?.into()));
            };
            self.is_last = self.body.is_end_stream();
            if self.is_last || !matches!(frame, Some(Ok(_))) {
                open_request.ended();
            }
            match frame {
                None => return Poll::Ready(self.to.send_data(Bytes::new(), true)),
                Some(Err(cut_off)) => {
                    self.to.send_reset(cut_off.reason());
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() && self.is_last => {
                        return Poll::Ready(self.to.send_data(data, true));
                    }
                    Ok(data) => {
                        self.to.reserve_capacity(data.len());
                        self.held = data;
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.to.send_trailers(trailers));
                    }
                },
            }
        }
    }

    /// Ready when the client takes so many bytes more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
        loop {
            let room = self.to.capacity();
            if room > 0 {
                self.alarm = None;
                return Poll::Ready(Ok(room));
            }
            match self.to.poll_capacity(cx) {
                Poll::Ready(Some(room)) => drop(room?),
                Poll::Ready(None) => {
                    // Why it is over is known by now.
                    let over = self.to.poll_reset(cx)?;
                    let reason = if let Poll::Ready(reason) = over { reason } else { Reason::STREAM_CLOSED };
                    return Poll::Ready(Err(reason.into()));
                }
                Poll::Pending => {
                    let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.stall)));
                    ready!(alarm.as_mut().poll(cx));
                    self.to.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Reason::CANCEL.into()));
                }
            }
        }
    }
}
