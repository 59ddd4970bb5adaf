//! The beginnings of HTTP/1.1 heads in a client's stream, and the library's answers to heads that it refuses.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use http::StatusCode;
use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    client_timeouts::ClientTimeouts,
    target::{RequestLine, SetAside},
};
use crate::request::body::Unread;

/// The heads of requests on one connection of HTTP/1.1.
///
/// Hyper does not report where in the stream a head begins, so this is inferred. A head begins at the start
/// of the stream, and wherever hyper reads although it awaits no head and the last request has been read to
/// its end. It does that only when it has nothing left to look at. What a client sends ahead, before hyper
/// has come to read, is left as it is.
pub(super) struct Heads {
    timeouts: ClientTimeouts,
    line: RequestLine,
    /// Hyper has written all that it had to.
    is_flushed: bool,
    refused: Option<StatusCode>,
}

impl Heads {
    /// The heads of a connection that hyper has not read from. Hyper uses `timeouts` as its timer.
    pub(super) fn new(timeouts: ClientTimeouts, set_aside: SetAside) -> Self {
        Self { timeouts, line: RequestLine::new(set_aside), is_flushed: true, refused: None }
    }

    /// Reads from `stream` if the next bytes may be of a request line, and gives `None` otherwise.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        unread: &Unread,
        buffer: &mut ReadBufCursor<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        if !self.line.is_open() {
            if !unread.is_nothing() || self.timeouts.awaits_head() {
                return None;
            }
            self.line.begin();
        }
        let mut space = [MaybeUninit::<u8>::uninit(); MOST];
        let room = buffer.remaining().min(MOST);
        let mut read = ReadBuf::uninit(&mut space[..room]);
        Some(Pin::new(stream).poll_read(cx, &mut read).map_ok(|()| {
            self.line.read(read.filled_mut());
            buffer.put_slice(read.filled());
        }))
    }

    /// Notes that something was read.
    pub(super) fn note_read(&self) {
        self.timeouts.note_read();
    }

    /// Takes what hyper writes if it is hyper's own answer to a head that it refuses.
    ///
    /// While it awaits a head, and has written everything before, it has nothing else to write.
    pub(super) fn takes(&mut self, written: &[u8]) -> bool {
        if self.is_flushed && self.timeouts.awaits_head() {
            self.refused = status(written);
        }
        self.is_flushed = false;
        self.refused.is_some()
    }

    /// Notes that hyper has written all that it had to.
    pub(super) fn flushed(&mut self) {
        self.is_flushed = true;
    }

    /// The status that hyper would have answered to a head that it refused.
    pub(super) fn refused(&self) -> Option<StatusCode> {
        self.refused
    }
}

fn status(answer: &[u8]) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?;
    status.is_client_error().then_some(status)
}

/// As much as hyper reads of a head at first.
const MOST: usize = 8192;
