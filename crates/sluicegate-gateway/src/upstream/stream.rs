//! The upstream's socket.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::State;
use crate::{dial::Wire, gather};

/// A stream that is still read after the other side has stopped reading.
///
/// An upstream that refuses a large body answers, and closes without reading it all: writing fails before the answer
/// has been read. What cannot be written any more is discarded, and reading tells whether there was an answer.
pub(crate) struct UpstreamStream {
    io: TokioIo<Wire>,
    state: Rc<State>,
}

impl UpstreamStream {
    pub(super) fn new(stream: Wire, state: Rc<State>) -> UpstreamStream {
        UpstreamStream { io: TokioIo::new(stream), state }
    }
}

impl Drop for UpstreamStream {
    fn drop(&mut self) {
        if self.state.is_abandoned() {
            // The reset tells the upstream of the cancel, and the kernel does not keep for it what it has not read.
            // If it cannot be set, the connection is closed as any other.
            let _ = tcp_of(self.io.inner()).set_zero_linger();
        }
    }
}

fn tcp_of(wire: &Wire) -> &TcpStream {
    match wire {
        Wire::Left(stream) => stream,
        Wire::Right(stream) => stream.get_ref().0,
    }
}

impl Read for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.state.is_deaf() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, bytes)) {
                Ok(written) => {
                    self.state.note_written();
                    return Poll::Ready(Ok(written));
                }
                Err(_) => self.state.note_deaf(),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.state.is_deaf() {
            match ready!(gather::poll_write(Pin::new(&mut self.io), cx, slices)) {
                Ok(written) => {
                    self.state.note_written();
                    return Poll::Ready(Ok(written));
                }
                Err(_) => self.state.note_deaf(),
            }
        }
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }
}
