//! The body of a response whose tokens are metered.

use std::{
    error::Error,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluicegate_policy::{Repetition, UsageStripper};

use crate::{BodyMetering, Timer};

/// The body of a response whose tokens are metered: without the usage that its client has not asked for, and cut where a limit
/// is spent that says so.
pub struct Metered<B, T> {
    state: State<B>,
    stripper: Option<UsageStripper>,
    timer: T,
}

/// The body of the response to an admitted request, which meters what it passes on.
pub trait Relayed: Body {
    /// Takes more tokens if the response is longer than what was reserved. Returns the last bytes of one that is to be cut.
    fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes>;

    /// The event that the last data was, if it was one alone that repeats an earlier one with another text.
    fn repetition(&mut self) -> Option<Repetition>;
}

/// The tokens of a limit are spent, so a response has been cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exhausted;

enum State<B> {
    /// The frames of the response pass on.
    Open(B),
    /// The limit is spent: these bytes are the last. The response itself is dropped already.
    Cut(Bytes),
    /// The last bytes are on their way: a body that fails at once would take them along. Then it breaks off, so that no client
    /// takes it for complete.
    Ended(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl<B, T> Metered<B, T> {
    pub(super) fn new(body: B, metering: BodyMetering, timer: T) -> Self {
        Self { state: State::Open(body), stripper: metering.stripper, timer }
    }
}

impl<B, T> Metered<B, T>
where
    B: Relayed<Data = Bytes> + Unpin,
    T: Timer + Clone + Send + Sync + 'static,
{
    /// Cuts the response if its tokens are spent.
    #[inline]
    fn extend(&mut self, cx: &mut Context<'_>) {
        if let State::Open(body) = &mut self.state
            && let Some(ending) = body.extend(cx)
        {
            self.cut(ending);
        }
    }

    #[cold]
    fn cut(&mut self, ending: Bytes) {
        self.state = if ending.is_empty() { self.flushed() } else { State::Cut(ending) };
    }

    fn flushed(&self) -> State<B> {
        let timer = self.timer.clone();
        State::Ended(Box::pin(async move { timer.sleep(FLUSH).await }))
    }

    /// Takes the usage out of a frame of this response. Returns `true` if the client gets the frame: something is left.
    fn strip(
        body: &mut B,
        stripper: &mut UsageStripper,
        frame: &mut Option<Result<Frame<Bytes>, B::Error>>,
    ) -> bool {
        match frame {
            Some(Ok(frame)) => {
                let Some(data) = frame.data_mut() else { return true };
                let piece = mem::take(data);
                *data = match body.repetition() {
                    Some(repetition) => stripper.repetition(piece, repetition),
                    None => stripper.data(piece),
                };
                !data.is_empty()
            }
            Some(Err(_)) => true,
            None => {
                let rest = stripper.end();
                if !rest.is_empty() {
                    *frame = Some(Ok(Frame::data(rest)));
                }
                true
            }
        }
    }
}

impl<B, T> Body for Metered<B, T>
where
    B: Relayed<Data = Bytes> + Unpin,
    B::Error: From<Exhausted>,
    T: Timer + Clone + Send + Sync + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        loop {
            this.extend(cx);
            match (&mut this.state, &mut this.stripper) {
                (State::Open(body), None) => return Pin::new(body).poll_frame(cx),
                (State::Open(body), Some(stripper)) => {
                    let mut polled = Pin::new(&mut *body).poll_frame(cx);
                    let passes = match &mut polled {
                        Poll::Ready(frame) => Self::strip(body, stripper, frame),
                        Poll::Pending => true,
                    };
                    if passes {
                        return polled;
                    }
                }
                (State::Cut(ending), _) => {
                    let ending = mem::take(ending);
                    this.state = this.flushed();
                    return Poll::Ready(Some(Ok(Frame::data(ending))));
                }
                (State::Ended(flushed), _) => {
                    return flushed.as_mut().poll(cx).map(|()| Some(Err(Exhausted.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            // The stripper may hold bytes back that are still to come.
            State::Open(body) => self.stripper.is_none() && body.is_end_stream(),
            State::Cut(_) | State::Ended(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Open(body) if self.stripper.is_none() => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<B, T> fmt::Debug for Metered<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("is_stripped", &self.stripper.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tokens of a limit are spent")
    }
}

impl Error for Exhausted {}

/// The time for the last bytes of a stream that is cut to reach the client.
const FLUSH: Duration = Duration::from_millis(100);
