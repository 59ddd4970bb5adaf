//! One connection to the upstream, and the task that drives its socket.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, spawn_local},
    time::Instant,
};

use super::{MaxHead, SendError, Timeouts, stream::UpstreamStream};
use crate::{
    io::{dormant::Dormant, idle_timer::IdleTimer, wake_filter::WakeFilter},
    request::{
        body::{Incomplete, RequestBody},
        framing,
        interim::Interims,
    },
    upstream::dial::{Offer, Wire},
};

/// A connection that is idle or carries one exchange. Dropping it closes the socket at once, whatever runs on it.
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    state: Rc<State>,
    driver: AbortHandle,
    /// Receives the stream if the upstream switches to another protocol.
    switched: Option<oneshot::Receiver<Switched>>,
}

/// A stream that speaks another protocol from now on.
pub(crate) struct Switched {
    pub(crate) stream: UpstreamStream,
    /// The bytes of the other protocol that were already read.
    pub(crate) ahead: Bytes,
    /// The maximum time without progress.
    pub(crate) idle: Duration,
    /// The end of the exchange, even if bytes still move.
    pub(crate) until: Option<Instant>,
}

impl Connection {
    /// Starts the task that drives the socket of a new connection. The first request is to have these timeouts.
    pub(super) async fn open(stream: Wire, timeouts: Timeouts, max_head: MaxHead) -> io::Result<Self> {
        let state = Rc::new(State::new(timeouts, max_head));
        let bytes = max_head.bytes as usize;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER.max(bytes))
            .max_header_size(bytes)
            .handshake(UpstreamStream::new(stream, Rc::clone(&state)))
            .await
            .map_err(io::Error::other)?;
        let driver = spawn_local(Driver::new(connection, Rc::clone(&state))).abort_handle();
        Ok(Self { sender, state, driver, switched: None })
    }

    /// Returns `true` if a request can be sent on it now: the connection is open, and done with the previous
    /// request.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.state.is_deaf()
    }

    /// Takes a request, sends it and waits for the head of the answer; for all of it until then, if that is limited. The
    /// connection can switch to another protocol if HTTP/1.1 alone is on `offer`.
    pub(super) async fn send(
        mut self,
        request: &mut Request<RequestBody>,
        offer: Offer,
        timeouts: Timeouts,
        until: Option<Instant>,
        interims: Option<&Interims>,
    ) -> Result<(Response<Incoming>, Self), Failure> {
        self.state.wait_for(Waiting::Answer);
        self.state.timeouts.set(timeouts);
        self.state.until.set(until);
        self.state.handed_over.set(true);
        self.state.expect_head(interims);
        if offer == Offer::Http1 {
            let (switch, switched) = oneshot::channel();
            self.state.switch.set(Some(switch));
            self.switched = Some(switched);
        }
        request.body_mut().report_to(&self.state);
        framing::request_of_http1(request);
        match self.sender.try_send_request(mem::take(request)).await {
            Ok(mut response) => {
                self.state.wait_for(Waiting::Body);
                if let Some(surplus) = self.state.surplus.take() {
                    response.headers_mut().extend(*surplus);
                }
                match framing::decoded(&mut response) {
                    Ok(()) => Ok((response, self)),
                    Err(coding) => Err(Failure::Sent(SendError::Coding(coding))),
                }
            }
            Err(mut failed) => match failed.take_message() {
                Some(request) => {
                    Err(Failure::Unsent(Box::new(request), SendError::Broken(failed.into_error())))
                }
                None => Err(Failure::Sent(self.explain(failed.into_error()))),
            },
        }
    }

    /// The stream, once the upstream has agreed to the other protocol that a request asked for.
    pub(super) async fn switched(&mut self) -> Option<Switched> {
        self.switched.take()?.await.ok()
    }

    /// No other request is to be sent for so long once the exchange is over.
    pub(super) fn rest_after(&self, time: Duration) {
        self.state.rest_after.set(Some(time));
    }

    /// The exchange is over: nothing is awaited but the next request.
    pub(super) fn rest(&self) {
        self.state.wait_for(Waiting::Request);
        self.state.until.set(None);
        self.state.rests_until.set(self.state.rest_after.take().map(|time| Instant::now() + time));
    }

    /// Returns `true` if no other request is to be sent on it yet.
    pub(super) fn rests(&self) -> bool {
        self.state.rests_until.get().is_some_and(|until| Instant::now() < until)
    }

    fn explain(&self, error: hyper::Error) -> SendError {
        match self.state.gave_up.get() {
            Some(Waiting::Client) => SendError::ClientStalled,
            Some(_) => SendError::ResponseTimeout,
            // Hyper calls an error of the request's body a user's.
            None if error.is_user() => SendError::ClientBody(Incomplete::Http1(error)),
            None if error.is_parse_too_large() => SendError::LargeHead(self.state.max_head),
            None if error.is_parse() => SendError::Head(error),
            None => SendError::Broken(error),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.note_abandoned();
        // Hyper alone would leave the socket open while the upstream neither reads the request nor closes.
        self.driver.abort();
    }
}

/// A failed attempt to send.
pub(super) enum Failure {
    /// Nothing was written: the request may go over another connection.
    Unsent(Box<Request<RequestBody>>, SendError),
    /// The upstream may have seen the request: it must not be sent again.
    Sent(SendError),
}

/// The things that an exchange waits for, as its two sides report them to the driver that ends it.
pub(crate) struct State {
    waiting: Cell<Waiting>,
    /// Of the request that was sent last.
    timeouts: Cell<Timeouts>,
    /// The end of the whole exchange, even if bytes still move.
    until: Cell<Option<Instant>>,
    /// The time for which no other request is sent once the exchange is over, and that before which none is sent.
    rest_after: Cell<Option<Duration>>,
    rests_until: Cell<Option<Instant>>,
    /// A request was handed over, and the driver has not been woken by it yet.
    handed_over: Cell<bool>,
    /// Bytes went out that the driver has not noted yet.
    wrote: Cell<bool>,
    gave_up: Cell<Option<Waiting>>,
    deaf: Cell<bool>,
    /// The request in flight is no longer awaited.
    abandoned: Cell<bool>,
    /// The receiver of the stream when HTTP has ended on it.
    switch: Cell<Option<oneshot::Sender<Switched>>>,
    /// The final head has not come yet.
    awaits_head: Cell<bool>,
    max_head: MaxHead,
    /// Fields of the head that hyper does not read.
    surplus: Cell<Option<Box<HeaderMap>>>,
    /// The receiver of interim responses, if they are wanted.
    interims: RefCell<Option<Interims>>,
}

impl State {
    fn new(timeouts: Timeouts, max_head: MaxHead) -> Self {
        Self {
            waiting: Cell::default(),
            timeouts: Cell::new(timeouts),
            until: Cell::default(),
            rest_after: Cell::default(),
            rests_until: Cell::default(),
            handed_over: Cell::default(),
            wrote: Cell::default(),
            gave_up: Cell::default(),
            deaf: Cell::default(),
            abandoned: Cell::default(),
            switch: Cell::default(),
            awaits_head: Cell::default(),
            max_head,
            surplus: Cell::default(),
            interims: RefCell::default(),
        }
    }

    /// Notes that a request is sent, whose interim responses go there.
    fn expect_head(&self, interims: Option<&Interims>) {
        self.awaits_head.set(true);
        *self.interims.borrow_mut() = interims.cloned();
    }

    /// The final head of a response is still to come.
    pub(super) fn awaits_head(&self) -> bool {
        self.awaits_head.get()
    }

    /// Notes that hyper gets the final head now, but for these fields.
    pub(super) fn note_head(&self, surplus: Option<Box<HeaderMap>>) {
        self.awaits_head.set(false);
        self.surplus.set(surplus);
    }

    /// Takes an interim response.
    pub(super) fn note_interim(&self, status: StatusCode, headers: &HeaderMap) {
        if let Some(interims) = &*self.interims.borrow() {
            interims.push(status, headers);
        }
    }

    /// The largest head that is read.
    pub(super) fn max_head(&self) -> MaxHead {
        self.max_head
    }

    /// Sets the event to wait for from now on.
    pub(crate) fn wait_for(&self, waiting: Waiting) {
        self.waiting.set(waiting);
    }

    /// Notes whether the request's body has to come from the client yet; an answer that began early stays awaited.
    pub(crate) fn request_body(&self, is_pending: bool) {
        match (self.waiting.get(), is_pending) {
            (Waiting::Answer, true) => self.wait_for(Waiting::Client),
            (Waiting::Client, false) => self.wait_for(Waiting::Answer),
            _ => {}
        }
    }

    /// Notes that the upstream reads.
    pub(super) fn note_written(&self) {
        self.wrote.set(true);
    }

    /// Notes that the upstream reads no more.
    pub(super) fn note_deaf(&self) {
        self.deaf.set(true);
    }

    /// Notes that the connection is given up: whatever it waits for, but the next request, comes to nothing.
    fn note_abandoned(&self) {
        self.abandoned.set(self.waiting.get() != Waiting::Request);
    }

    /// Returns `true` if the connection was given up in the midst of an exchange.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.get()
    }

    /// Returns `true` if the upstream reads no more.
    pub(super) fn is_deaf(&self) -> bool {
        self.deaf.get()
    }
}

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The next request, in the pool.
    #[default]
    Request,
    /// More of the request's body, from the client.
    Client,
    /// The head of the answer.
    Answer,
    /// More of the answer's body.
    Body,
}

/// Drives a connection's socket, and gives up on it when nothing has moved for too long.
struct Driver {
    /// None once it has ended.
    connection: Option<WakeFilter<http1::Connection<UpstreamStream, RequestBody>>>,
    state: Rc<State>,
    moved: Instant,
    timer: Dormant<IdleTimer>,
}

impl Driver {
    fn new(connection: http1::Connection<UpstreamStream, RequestBody>, state: Rc<State>) -> Self {
        let timer = Dormant::new(IdleTimer::new(state.timeouts.get().shortest()));
        Self { connection: Some(WakeFilter::new(connection)), state, moved: Instant::now(), timer }
    }

    /// A request has been handed over, which may have shorter timeouts than the one before.
    fn begin(&mut self) {
        self.moved = Instant::now();
        let earliest = self.until_at_most(self.moved + self.state.timeouts.get().shortest());
        self.timer.get_mut().fire_by(earliest);
    }

    /// Returns `true` if the wait has been too long, once the timer has fired. Otherwise sets the timer anew.
    fn is_overdue(&mut self) -> bool {
        let timeouts = self.state.timeouts.get();
        let due = self.until_at_most(self.moved + timeouts.with(self.state.waiting.get()));
        self.timer.get_mut().is_over(due, timeouts.shortest())
    }

    fn until_at_most(&self, due: Instant) -> Instant {
        self.state.until.get().map_or(due, |until| due.min(until))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.state.handed_over.take() {
            this.begin();
        }
        let mut woken_by_timer = false;
        while Pin::new(&mut this.timer).poll(cx).is_ready() {
            woken_by_timer = true;
            if this.is_overdue() {
                this.state.gave_up.set(Some(this.state.waiting.get()));
                this.state.note_abandoned();
                return Poll::Ready(());
            }
        }
        // While a head is awaited, only outgoing bytes count: a head that trickles in is as late as none.
        if !woken_by_timer && this.state.waiting.get() != Waiting::Answer {
            this.moved = Instant::now();
        }
        // An error reaches the task that waits for the response or its body. An idle connection has none.
        let Some(connection) = &mut this.connection else { return Poll::Ready(()) };
        let polled = Pin::new(connection).poll(cx);
        if this.state.wrote.take() {
            this.moved = Instant::now();
        }
        let ended = ready!(polled);
        if let (Ok(()), Some(switch), Some(connection)) =
            (ended, this.state.switch.take(), this.connection.take())
        {
            let parts = connection.into_inner().into_parts();
            // The receiver may be gone.
            drop(switch.send(Switched {
                stream: parts.io,
                ahead: parts.read_buf,
                idle: this.state.timeouts.get().idle,
                until: this.state.until.get(),
            }));
        }
        Poll::Ready(())
    }
}

impl Timeouts {
    /// The timer of the awaited event.
    pub(super) fn with(self, waiting: Waiting) -> Duration {
        match waiting {
            Waiting::Request => self.keep_alive,
            Waiting::Answer => self.response,
            Waiting::Client | Waiting::Body => self.idle,
        }
    }

    fn shortest(self) -> Duration {
        self.response.min(self.idle).min(self.keep_alive)
    }
}

/// The most that hyper buffers of an answer, but for a head that may be larger.
const MAX_BUFFER: usize = 64 * 1024;
