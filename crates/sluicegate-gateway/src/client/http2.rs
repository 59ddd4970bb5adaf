//! HTTP/2 with a client: its limits, and the tasks of its streams.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::{rt::Executor, server::conn::http2::Builder};
use hyper_util::rt::TokioTimer;
use tokio::{
    task::spawn_local,
    time::{Sleep, sleep},
};

use super::{Bounds, given_up::Asked, silence::Silence};

/// HTTP/2 within bounds that no client can pass. A flood of resets of streams that nobody has seen yet ends the connection
/// by hyper's own limits.
pub(super) fn builder(streams: Streams, bounds: Bounds) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(bounds.max_streams)
        .max_header_list_size(bounds.max_head)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Runs the streams of one connection, on the connection's thread.
///
/// A client may stop reading one stream while its connection lives: nothing but time tells. So a stream that waits for
/// its client longer than the stall time is cut.
#[derive(Clone)]
pub(super) struct Streams {
    stall: Duration,
    turn: Turn,
    silence: Silence,
}

/// The side whose turn it is on the stream that is being polled: the client's to read, or the gateway's to
/// respond. The latter has other limits.
#[derive(Clone, Default)]
pub(super) struct Turn(Rc<Cell<bool>>);

/// The body of an answer, which says whose turn it is, and when the answer has ended.
pub(super) struct Paced<B> {
    body: B,
    turn: Turn,
    asked: Asked,
}

impl Streams {
    /// For a connection whose answers tell whose `turn` it is. Its `silence` is told while requests run.
    pub(super) fn new(stall: Duration, turn: Turn, silence: Silence) -> Self {
        Self { stall, turn, silence }
    }
}

impl Turn {
    /// An answer whose body tells.
    pub(super) fn pace<B: Body>(&self, answer: Response<B>, mut asked: Asked) -> Response<Paced<B>> {
        if answer.body().is_end_stream() {
            asked.ended();
        }
        answer.map(|body| Paced { body, turn: self.clone(), asked })
    }

    fn is_clients(&self) -> bool {
        self.0.get()
    }

    fn set_clients(&self, is_clients: bool) {
        self.0.set(is_clients);
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let Self { stall, turn, silence } = self.clone();
        let busy = silence.busy();
        spawn_local(async move {
            let _busy = busy;
            let mut stream = pin!(stream);
            // Set while it is the client's turn.
            let mut alarm: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|cx| {
                if alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready()) {
                    return Poll::Ready(());
                }
                turn.set_clients(alarm.is_some());
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                alarm = turn.is_clients().then(|| Box::pin(sleep(stall)));
                match &mut alarm {
                    Some(alarm) => alarm.as_mut().poll(cx),
                    None => Poll::Pending,
                }
            })
            .await;
        });
    }
}

impl<B: Body + Unpin> Body for Paced<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // What was given has to be taken by the client before more is asked for.
        self.turn.set_clients(polled.is_ready());
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.asked.ended();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The maximum of one request's body that a client may send ahead of the upstream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The maximum for all of them together. It is more than a stream's, so that one that waits does not delay
/// the others.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The maximum of a response that is buffered for a client that reads slowly.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Between two pings, by which clients are found that have gone without a word.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The maximum time for a client's reply to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
