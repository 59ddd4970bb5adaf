//! A stream whose beginning can be looked at before it is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A stream whose beginning can be peeked at. The peeked bytes are read first.
pub(super) struct Lookahead<S> {
    stream: S,
    seen: BytesMut,
}

impl<S> Lookahead<S> {
    /// Nothing has been looked at.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, seen: BytesMut::new() }
    }

    /// The bytes that have been examined and not read.
    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Removes the first of the bytes that were peeked at, so that they are not read.
    pub(super) fn skip(&mut self, length: usize) {
        self.seen.advance(length);
    }
}

impl<S: AsyncRead + Unpin> Lookahead<S> {
    /// Sees more, and says whether there was more to see. Nothing is lost when this is dropped.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) async fn look(&mut self) -> io::Result<bool> {
        // As much as a whole head mostly takes, so that looking costs no system call of its own.
        self.seen.reserve(4096);
        Ok(self.stream.read_buf(&mut self.seen).await? > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lookahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.seen.len().min(buffer.remaining());
        buffer.put_slice(&self.seen[..length]);
        self.seen.advance(length);
        if self.seen.is_empty() {
            self.seen = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lookahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
