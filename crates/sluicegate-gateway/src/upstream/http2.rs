//! HTTP/2 with an upstream: one connection carries many requests.

mod driver;
mod head;
mod pool;
mod progress;
mod stream;
mod upload;

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, Reason,
    client::{Builder, SendRequest},
};
use http::{Request, Response, uri::Scheme};
use http_body::Body as _;
use sluicegate_policy::Upstream as Address;
use tokio::{task::spawn_local, time::Instant};

use self::{
    progress::{Overdue, Progress},
    upload::Upload,
};
use super::{MaxHead, SendError, Timeouts, Waiting, connection::Failure};
use crate::{
    request::{body::RequestBody, interim::Interims},
    upstream::dial::Wire,
};

pub(super) use self::pool::Pool;
pub(crate) use self::stream::Stream;

/// A connection that carries as many requests at once as the upstream lets it. Clones are the same connection, which is
/// closed when nothing has run on it for as long as it is kept.
#[derive(Clone)]
pub(super) struct Connection(Rc<Shared>);

/// State shared by the requests on one connection.
struct Shared {
    /// None once no more requests may begin on it.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    scheme: Scheme,
    running: Cell<usize>,
    /// The time when a part of a response came last, or a request began or ended.
    heard: Cell<Instant>,
    /// The maximum time without a request.
    keep_alive: Cell<Duration>,
    max_head: MaxHead,
}

/// A request that runs on a connection, which counts until this is dropped.
struct Slot(Rc<Shared>);

impl Connection {
    /// Begins HTTP/2 on a new connection, and waits for the upstream's settings.
    ///
    /// # Errors
    ///
    /// When it speaks something else, or closes.
    pub(super) async fn open(
        wire: Wire,
        address: &Address,
        timeouts: Timeouts,
        max_head: MaxHead,
    ) -> io::Result<Self> {
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(max_head.bytes)
            .max_send_buffer_size(MAX_SEND_BUFFER)
            .handshake(wire)
            .await
            .map_err(io::Error::other)?;
        // Boxed, because it is large.
        let mut connection = Box::pin(connection);
        let mut pings = connection.ping_pong().ok_or(io::ErrorKind::NotConnected)?;
        tokio::select! {
            // Settings are sent first: an upstream that answers this has sent them.
            answered = pings.ping(Ping::opaque()) => { answered.map_err(io::Error::other)?; }
            ended = &mut connection => {
                return Err(ended.map_or_else(io::Error::other, |()| io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let shared = Rc::new(Shared {
            sender: RefCell::new(Some(sender)),
            scheme: if address.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
            running: Cell::new(0),
            heard: Cell::new(Instant::now()),
            keep_alive: Cell::new(timeouts.keep_alive),
            max_head,
        });
        spawn_local(driver::drive(connection, pings, Rc::clone(&shared)));
        Ok(Self(shared))
    }

    /// Returns `true` if requests may begin on it: the upstream has neither closed it nor sent GOAWAY.
    fn is_open(&self) -> bool {
        let mut sender = self.0.sender.borrow_mut();
        let is_open = sender.as_mut().is_some_and(|sender| {
            // Not ready is only a sender by which a request waits, and by this none is sent.
            !matches!(sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
        });
        if !is_open {
            *sender = None;
        }
        is_open
    }

    /// Returns `true` if the upstream permits one more concurrent request on it.
    fn has_room(&self) -> bool {
        let sender = self.0.sender.borrow();
        sender.as_ref().is_some_and(|sender| self.0.running.get() < sender.current_max_send_streams())
    }

    /// Sends a request and waits for the head of the answer; for all of it until then, if that is limited. Dropping the
    /// future, or the answer's body, resets the request's stream and touches no other.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        timeouts: Timeouts,
        until: Option<Instant>,
        interims: Option<&Interims>,
    ) -> Result<Response<Stream>, Failure> {
        let slot = Slot::new(&self.0, timeouts);
        let (parts, body) = request.into_parts();
        let head = head::request(parts.clone(), &self.0.scheme);
        let unsent = |body, error| {
            Failure::Unsent(Box::new(Request::from_parts(parts, body)), SendError::Reset(error))
        };
        // A clone: one by which a request waits for its turn takes no other.
        let Some(mut sender) = self.0.sender.borrow().clone() else {
            return Err(unsent(body, Reason::REFUSED_STREAM.into()));
        };
        let (mut answer, outgoing) = match sender.send_request(head, body.is_end_stream()) {
            Ok(sent) => sent,
            Err(error) => return Err(unsent(body, error)),
        };
        let progress = Rc::new(Progress::new(timeouts, until));
        let upload = Upload::start(body, outgoing, &progress);
        let mut overdue = Overdue::new(&progress);
        let answered = poll_fn(|cx| {
            while let Some(interims) = interims
                && let Poll::Ready(Some(Ok(interim))) = answer.poll_informational(cx)
            {
                interims.push(interim.status(), interim.headers());
            }
            match Pin::new(&mut answer).poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(Some)),
                Poll::Pending => overdue.poll(cx).map(|()| Err(None)),
            }
        });
        match answered.await {
            Ok(answer) if answer.headers().len() > self.0.max_head.fields => {
                Err(Failure::Sent(SendError::LargeHead(self.0.max_head)))
            }
            Ok(answer) => {
                progress.wait_for(Waiting::Body);
                let (head, body) = answer.into_parts();
                let body = Stream::new(&head, body, overdue, upload, slot);
                Ok(Response::from_parts(head, body))
            }
            Err(None) if progress.waits_for(Waiting::Client) => Err(Failure::Sent(SendError::ClientStalled)),
            Err(None) => Err(Failure::Sent(SendError::ResponseTimeout)),
            Err(Some(error)) => Err(match progress.take_client_error() {
                Some(error) => Failure::Sent(SendError::ClientBody(error)),
                None if is_unprocessed(&error) => match upload.take_back() {
                    Some(body) => unsent(body, error),
                    None => Failure::Sent(SendError::Reset(error)),
                },
                None => Failure::Sent(SendError::Reset(error)),
            }),
        }
    }
}

impl Shared {
    /// No more requests begin on it. It is closed when those that run have ended.
    fn retire(&self) {
        *self.sender.borrow_mut() = None;
    }

    fn note_heard(&self) {
        self.heard.set(Instant::now());
    }
}

impl Slot {
    fn new(shared: &Rc<Shared>, timeouts: Timeouts) -> Self {
        shared.running.set(shared.running.get() + 1);
        shared.keep_alive.set(timeouts.keep_alive);
        shared.note_heard();
        Self(Rc::clone(shared))
    }

    /// Something of the answer has come.
    fn note_heard(&self) {
        self.0.note_heard();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
        self.0.note_heard();
    }
}

/// Returns `true` if the upstream has said that it did nothing with the request (RFC 9113, section 8.7): it
/// refused the stream, or its GOAWAY excluded it.
fn is_unprocessed(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

/// The maximum of one response that the upstream may send ahead of the client.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The maximum for all responses together. It is the largest possible, so that a client that does not read
/// its response delays no other.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// The maximum of one request's body that is buffered for an upstream that reads slowly.
const MAX_SEND_BUFFER: usize = 64 * 1024;
