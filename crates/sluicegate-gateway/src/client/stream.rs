//! A client's stream of bytes.

use std::{
    cell::Cell,
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::silence::Silence;
use crate::{gather, tcp};

/// A client's stream, in clear or by TLS, that lingers when it is shut down before the client has sent everything.
///
/// Closing a socket with unread data makes the kernel send a reset, and a reset may overtake the answer that explains
/// why the rest was not read. So the sending side is closed first, and what still comes is discarded for a while.
pub(super) struct ClientStream<S> {
    io: TokioIo<S>,
    unread: Unread,
    /// Told of what is read, if it wants to know.
    silence: Option<Silence>,
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

/// Whether a request's body was let go before its end; shared by a connection's stream and its requests.
#[derive(Clone, Default)]
pub(crate) struct Unread(Rc<Cell<bool>>);

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Wraps a stream.
    pub(super) fn new(stream: S, unread: Unread, silence: Option<Silence>) -> ClientStream<S> {
        ClientStream { io: TokioIo::new(stream), unread, silence, linger: None }
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

impl Unread {
    /// Notes that the rest of the request's body will not be read.
    pub(crate) fn mark(&self) {
        self.0.set(true);
    }

    fn is_marked(&self) -> bool {
        self.0.get()
    }
}

impl<S: AsyncRead + Unpin> Read for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        if let (Poll::Ready(Ok(())), Some(silence)) = (&polled, &self.silence) {
            silence.note_read();
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        gather::poll_write(Pin::new(&mut self.io), cx, slices)
    }
}

/// How long a client may go on sending a body that nobody reads, before it is cut off.
const LINGER: Duration = Duration::from_secs(30);
