//! A client's stream of bytes.

use std::{
    future::Future,
    io, iter,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::StatusCode;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    heads::Heads,
    http2::{Frames, Liveness},
};
use crate::{
    io::{coalesced_write, tcp},
    request::{body::Unread, interim::Interims},
};

/// A client's stream, in clear or by TLS, that lingers when it is shut down before the client has sent everything.
///
/// Closing a socket with unread data makes the kernel send a reset, and a reset may overtake the answer that explains
/// why the rest was not read. So the sending side is closed first, and what still comes is discarded for a while.
pub(super) struct ClientStream<S> {
    io: TokioIo<S>,
    unread: Unread,
    /// Of a connection of HTTP/1.1.
    heads: Option<Heads>,
    /// Of one of HTTP/2.
    watch: Option<(Frames, Liveness)>,
    /// Bytes to write beside what hyper writes, if any.
    interims: Option<Interims>,
    linger: Option<Pin<Box<Sleep>>>,
}

/// Sets the options of an accepted stream. `stall` is how long the client may leave sent bytes unacknowledged.
///
/// # Errors
///
/// When they cannot be set: the client is gone already.
pub(super) fn prepare(stream: &TcpStream, stall: Duration) -> io::Result<()> {
    tcp::prepare(stream)?;
    // A client that stops reading holds a permit: the kernel gives up on it, which wakes us.
    SockRef::from(stream).set_tcp_user_timeout(Some(stall))
}

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Wraps a stream.
    pub(super) fn new(stream: S, unread: Unread, heads: Option<Heads>) -> Self {
        Self { io: TokioIo::new(stream), unread, heads, watch: None, interims: None, linger: None }
    }

    /// The stream, which also writes interim responses.
    pub(super) fn with_interims(mut self, interims: Interims) -> Self {
        self.interims = Some(interims);
        self
    }

    /// The stream, whose `frames` and `liveness` are watched.
    pub(super) fn watched(mut self, frames: Frames, liveness: Liveness) -> Self {
        self.watch = Some((frames, liveness));
        self
    }

    /// Notes how much of these slices was written, if anything could be.
    fn note_sent<'s>(
        &mut self,
        polled: Poll<io::Result<usize>>,
        slices: impl Iterator<Item = &'s [u8]>,
    ) -> Poll<io::Result<usize>> {
        let Some((frames, liveness)) = &mut self.watch else { return polled };
        liveness.note_sent(polled.is_pending());
        if let Poll::Ready(Ok(mut length)) = polled {
            for slice in slices {
                let sent = length.min(slice.len());
                frames.sent(&slice[..sent]);
                length -= sent;
            }
        }
        polled
    }

    /// The status that hyper would have answered to a head that it refused, if it did: then an answer is owed. Call it when
    /// hyper has given up the stream.
    pub(super) fn refused(&mut self) -> Option<StatusCode> {
        self.heads.take()?.refused()
    }

    /// Reads and forgets what has arrived. Ready at the end of the stream.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.unread.mark();
        }
    }
}

impl<S: AsyncRead + Unpin> Read for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, unread, heads, watch, .. } = &mut *self;
        let Some(heads) = heads else {
            let polled = Pin::new(io).poll_read(cx, buffer);
            if let (Poll::Ready(Ok(())), Some((_, liveness))) = (&polled, watch) {
                liveness.note_read();
            }
            return polled;
        };
        let polled = match heads.poll_read(cx, io.inner_mut(), unread, &mut buffer) {
            Some(polled) => polled,
            None => Pin::new(io).poll_read(cx, buffer),
        };
        if let Poll::Ready(Ok(())) = polled {
            heads.note_read();
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientStream<S> {
    fn poll_write_interims(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(interims) = &self.interims else { return Poll::Ready(Ok(())) };
        interims.poll_write(cx, |cx, bytes| Pin::new(&mut self.io).poll_write(cx, bytes))
    }

    /// Ends an interim response that has been written in part.
    fn poll_end_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interims.as_ref().is_some_and(Interims::is_begun) {
            self.poll_write_interims(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_end_interim(cx))?;
        if self.heads.as_mut().is_some_and(|heads| heads.takes(bytes)) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note_sent(polled, iter::once(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(heads) = &mut self.heads {
            heads.flushed();
        }
        // Hyper flushes when all that it had has been written, so that the last response is whole; and the next is not
        // given to it before its interim responses are written.
        if self.interims.as_ref().is_some_and(Interims::is_waiting) {
            ready!(self.poll_write_interims(cx))?;
        }
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        if let (Poll::Pending, Some((_, liveness))) = (&polled, &self.watch) {
            liveness.note_sent(true);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Another task has a response to write.
        if self.heads.as_ref().is_some_and(|heads| heads.refused().is_some()) {
            return Poll::Ready(Ok(()));
        }
        // Asked first: a client that sends without end would leave no time to ask afterwards.
        match &mut self.linger {
            Some(linger) => {
                if linger.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
            }
            None => ready!(Pin::new(&mut self.io).poll_shutdown(cx))?,
        }
        if let Poll::Ready(done) = self.poll_discard(cx) {
            return Poll::Ready(done);
        }
        // Nothing unread was seen and nothing is owed to us: an idle connection closes at once.
        if !self.unread.is_marked() {
            return Poll::Ready(Ok(()));
        }
        match &mut self.linger {
            Some(_) => Poll::Pending,
            linger => linger.insert(Box::pin(sleep(LINGER))).as_mut().poll(cx).map(Ok),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_end_interim(cx))?;
        let first = slices.first().map_or(&[][..], |slice| slice);
        if self.heads.as_mut().is_some_and(|heads| heads.takes(first)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let polled = coalesced_write::poll_write(Pin::new(&mut self.io), cx, slices);
        self.note_sent(polled, slices.iter().map(|slice| &**slice))
    }
}

/// The maximum time that a client may continue to send a body that is discarded, before it is cut off.
const LINGER: Duration = Duration::from_secs(30);
