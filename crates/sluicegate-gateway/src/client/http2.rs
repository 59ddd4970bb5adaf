//! HTTP/2 with a client: its limits, and the tasks of its streams.

use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

use hyper::{rt::Executor, server::conn::http2::Builder};
use hyper_util::rt::TokioTimer;
use tokio::{
    task::spawn_local,
    time::{Instant, sleep_until},
};

use super::MAX_HEAD;

/// HTTP/2 within bounds that no client can pass. Floods of resets, pings, settings and continuations end the
/// connection by hyper's own limits.
pub(super) fn builder(streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Runs the streams of one connection, on the connection's thread.
///
/// A client may stop reading one stream while its connection lives: nothing but time tells. So a stream whose answer
/// has begun is cut when it has not moved for the stall time.
#[derive(Clone)]
pub(super) struct Streams {
    stall: Duration,
    answering: Answering,
}

/// By which a stream's service tells, while the stream is polled, that its answer begins.
#[derive(Clone, Default)]
pub(super) struct Answering(Rc<Cell<bool>>);

impl Streams {
    /// For a connection whose service says by `answering` that an answer begins.
    pub(super) fn new(stall: Duration, answering: Answering) -> Streams {
        Streams { stall, answering }
    }
}

impl Answering {
    /// An answer begins.
    pub(super) fn begin(&self) {
        self.0.set(true);
    }

    /// Whether the stream that has just been polled began its answer.
    fn has_begun(&self) -> bool {
        self.0.take()
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let Streams { stall, answering } = self.clone();
        spawn_local(async move {
            let mut stream = pin!(stream);
            // Until its answer begins, a stream waits for the upstream, for which there are other limits.
            let ended = poll_fn(|cx| {
                let polled = stream.as_mut().poll(cx);
                let begun = answering.has_begun();
                if polled.is_ready() || begun { Poll::Ready(polled.is_ready()) } else { Poll::Pending }
            });
            if ended.await {
                return;
            }
            let mut moved = Instant::now();
            let mut alarm = pin!(sleep_until(moved + stall));
            poll_fn(|cx| {
                let mut woken_by_alarm = false;
                while alarm.as_mut().poll(cx).is_ready() {
                    woken_by_alarm = true;
                    if moved.elapsed() >= stall {
                        return Poll::Ready(());
                    }
                    alarm.as_mut().reset(moved + stall);
                }
                if !woken_by_alarm {
                    moved = Instant::now();
                }
                stream.as_mut().poll(cx)
            })
            .await;
        });
    }
}

/// Requests at a time on one connection.
const MAX_STREAMS: u32 = 100;

/// How much of one request's body a client may send ahead of the upstream.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all of them together. More than a stream's, so that one that waits does not hold up the others.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How much of an answer is buffered for a client that reads slowly.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// Between two pings, by which clients are found that have gone without a word.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
