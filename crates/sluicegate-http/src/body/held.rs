//! A body of which a beginning is held.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body whose beginning was read before: the pieces that are held, and then the rest.
#[derive(Clone, Debug)]
pub struct Held<B> {
    pieces: VecDeque<Bytes>,
    rest: B,
}

impl<B> Held<B> {
    /// These pieces, and behind them the rest.
    pub fn new(pieces: impl Into<VecDeque<Bytes>>, rest: B) -> Self {
        Self { pieces: pieces.into(), rest }
    }

    /// The rest.
    pub fn rest(&self) -> &B {
        &self.rest
    }

    /// The rest, to be changed.
    pub fn rest_mut(&mut self) -> &mut B {
        &mut self.rest
    }

    /// The rest, without the pieces.
    pub fn into_rest(self) -> B {
        self.rest
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        match this.pieces.pop_front() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.pieces.iter().map(|bytes| bytes.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(held.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(held.saturating_add(upper));
        }
        hint
    }
}
