//! A request's body on its way to the upstream.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::task::{AbortHandle, spawn_local};

use super::Progress;
use crate::request::body::RequestBody;

/// The sending of a body, beside the answer. Dropping it stops it.
pub(super) struct Upload {
    /// The task that sends the rest, unless all went out at once.
    task: Option<AbortHandle>,
    body: Rc<RefCell<Body>>,
}

/// A body, and the frames already taken of it.
struct Body {
    rest: RequestBody,
    /// None when it cannot be sent again.
    taken: Option<Vec<Bytes>>,
    /// The length of these pieces in bytes.
    length: usize,
}

/// Sends a body as fast as the upstream and the client let it.
struct Sending {
    body: Rc<RefCell<Body>>,
    outgoing: SendStream<Bytes>,
    progress: Rc<Progress>,
}

impl Upload {
    /// Begins to send. A body that has an end before it begins is sent with the head.
    pub(super) fn start(body: RequestBody, outgoing: SendStream<Bytes>, progress: &Rc<Progress>) -> Self {
        let is_sent = body.is_end_stream();
        let body = Rc::new(RefCell::new(Body { rest: body, taken: Some(Vec::new()), length: 0 }));
        let mut upload = Self { task: None, body: Rc::clone(&body) };
        if !is_sent {
            let mut sending = Sending { body, outgoing, progress: Rc::clone(progress) };
            // Frames that have arrived go out with the head, without a task.
            if Pin::new(&mut sending).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                upload.task = Some(spawn_local(sending).abort_handle());
            }
        }
        upload
    }

    /// The body as it was in the beginning, if not too much has been taken of it.
    pub(super) fn take_back(self) -> Option<RequestBody> {
        let mut body = self.body.borrow_mut();
        let taken = body.taken.take()?;
        let rest = std::mem::replace(&mut body.rest, RequestBody::Read(None));
        Some(rest.after(taken))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Sending {
    /// Ready when there is room for more in the stream's window; false when nothing is wanted any more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.outgoing.capacity() > 0 {
            // Nothing else would tell that the stream is over while the client sends nothing.
            return Poll::Ready(self.outgoing.poll_reset(cx).is_pending());
        }
        self.outgoing.reserve_capacity(1);
        loop {
            match ready!(self.outgoing.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                room => return Poll::Ready(matches!(room, Some(Ok(_)))),
            }
        }
    }
}

impl Future for Sending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while ready!(this.poll_room(cx)) {
            let mut body = this.body.borrow_mut();
            let polled = Pin::new(&mut body.rest).poll_frame(cx);
            this.progress.note_request_body(polled.is_pending());
            let sent = match ready!(polled) {
                None => this.outgoing.send_data(Bytes::new(), true),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        body.note_taken(&data);
                        this.outgoing.send_data(data, body.rest.is_end_stream())
                    }
                    Err(frame) => {
                        body.taken = None;
                        this.outgoing.send_trailers(frame.into_trailers().unwrap_or_default())
                    }
                },
                Some(Err(error)) => {
                    this.progress.note_client_error(error);
                    this.outgoing.send_reset(Reason::CANCEL);
                    break;
                }
            };
            // If it was not taken, the stream is over, and the future of the response returns the cause.
            if sent.is_err() || body.rest.is_end_stream() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl Body {
    fn note_taken(&mut self, data: &Bytes) {
        let Some(taken) = &mut self.taken else { return };
        taken.push(data.clone());
        self.length += data.len();
        if self.length > MOST_KEPT {
            self.taken = None;
        }
    }
}

/// The maximum of a body that is kept, so that it can be sent again if the upstream refuses it.
const MOST_KEPT: usize = 64 * 1024;
