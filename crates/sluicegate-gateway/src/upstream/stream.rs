//! The upstream's socket.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{
    State,
    response_head::{self, Seen},
};
use crate::{io::coalesced_write, upstream::dial::Wire};

/// A stream that is still read after the other side has stopped reading.
///
/// An upstream that refuses a large body answers, and closes without reading it all: writing fails before the answer
/// has been read. What cannot be written any more is discarded, and reading tells whether there was an answer.
pub(crate) struct UpstreamStream {
    io: TokioIo<Wire>,
    state: Rc<State>,
    /// Bytes that were looked at and not yet read.
    held: BytesMut,
}

impl UpstreamStream {
    pub(super) fn new(stream: Wire, state: Rc<State>) -> Self {
        Self { io: TokioIo::new(stream), state, held: BytesMut::new() }
    }
}

impl UpstreamStream {
    /// Looks for the final head in the held bytes, which may be the whole stream.
    fn look(&mut self, is_all: bool) {
        loop {
            match response_head::peek(&mut self.held, self.state.max_head()) {
                Seen::Interim(status, headers) => self.state.note_interim(status, &headers),
                Seen::Final(surplus) => return self.state.note_head(surplus),
                Seen::Nothing if is_all => return self.state.note_head(None),
                Seen::Nothing => return,
            }
        }
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
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.state.awaits_head() {
            let mut piece = [MaybeUninit::uninit(); PIECE];
            let room = buffer.remaining().min(PIECE);
            let mut piece = ReadBuf::uninit(&mut piece[..room]);
            ready!(Pin::new(&mut this.io).poll_read(cx, piece.unfilled()))?;
            let piece = piece.filled();
            if this.held.is_empty() && (piece.is_empty() || response_head::is_plain(piece)) {
                this.state.note_head(None);
                buffer.put_slice(piece);
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(piece);
            this.look(piece.is_empty());
        }
        if this.held.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let length = this.held.len().min(buffer.remaining());
        buffer.put_slice(&this.held.split_to(length));
        Poll::Ready(Ok(()))
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
            match ready!(coalesced_write::poll_write(Pin::new(&mut self.io), cx, slices)) {
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

/// Maximum bytes to read at once while a head is awaited: as many as hyper reads at first.
const PIECE: usize = 8 * 1024;
