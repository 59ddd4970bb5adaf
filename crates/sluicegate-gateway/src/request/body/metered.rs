//! The body of an answer whose tokens are metered.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluicegate_policy::UsageStripper;
use tokio::time::{Sleep, sleep};

use super::{CutOff, RelayedBody};

/// The body of an answer whose tokens are metered: without the usage that its client has not asked for, and cut where a limit
/// is spent that says so.
pub(crate) struct MeteredBody {
    state: State,
    metering: BodyMetering,
}

/// The way to meter a body.
pub(crate) struct BodyMetering {
    /// Takes the usage out that the client has not asked for.
    pub(crate) stripper: Option<UsageStripper>,
}

#[expect(clippy::large_enum_variant, reason = "most answers are open to their end")]
enum State {
    /// The frames of the answer pass on.
    Open(RelayedBody),
    /// The limit is spent: these bytes are the last. The upstream is closed already.
    Cut(Bytes),
    /// The last bytes are on their way: a body that fails at once would take them along. Then it breaks off, so that no client
    /// takes it for complete.
    Ended(Pin<Box<Sleep>>),
}

impl MeteredBody {
    pub(crate) fn new(answer: RelayedBody, metering: BodyMetering) -> Self {
        Self { state: State::Open(answer), metering }
    }

    /// Cuts the answer if its tokens are spent.
    #[inline]
    fn extend(&mut self, cx: &mut Context<'_>) {
        if let State::Open(answer) = &mut self.state
            && let Some(running) = answer.running()
            && let Some(ending) = running.extend(cx)
        {
            self.cut(ending);
        }
    }

    #[cold]
    fn cut(&mut self, ending: Bytes) {
        let flushed = || State::Ended(Box::pin(sleep(FLUSH)));
        self.state = if ending.is_empty() { flushed() } else { State::Cut(ending) };
    }

    /// Takes the usage out of a frame of this answer. Returns `true` if the client gets the frame: something is left.
    fn strip(
        answer: &mut RelayedBody,
        stripper: &mut UsageStripper,
        frame: &mut Option<Result<Frame<Bytes>, CutOff>>,
    ) -> bool {
        match frame {
            Some(Ok(frame)) => {
                let Some(data) = frame.data_mut() else { return true };
                let piece = mem::take(data);
                let repetition = answer.running().and_then(|running| running.repetition());
                *data = match repetition {
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

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = self.get_mut();
        loop {
            this.extend(cx);
            match (&mut this.state, &mut this.metering.stripper) {
                (State::Open(answer), None) => return Pin::new(answer).poll_frame(cx),
                (State::Open(answer), Some(stripper)) => {
                    let mut polled = Pin::new(&mut *answer).poll_frame(cx);
                    let passes = match &mut polled {
                        Poll::Ready(frame) => Self::strip(answer, stripper, frame),
                        Poll::Pending => true,
                    };
                    if passes {
                        return polled;
                    }
                }
                (State::Cut(ending), _) => {
                    let ending = mem::take(ending);
                    this.state = State::Ended(Box::pin(sleep(FLUSH)));
                    return Poll::Ready(Some(Ok(Frame::data(ending))));
                }
                (State::Ended(flushed), _) => {
                    return flushed.as_mut().poll(cx).map(|()| Some(Err(CutOff::Exhausted)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            // The stripper may hold bytes back that are still to come.
            State::Open(answer) => self.metering.stripper.is_none() && answer.is_end_stream(),
            State::Cut(_) | State::Ended(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Open(answer) if self.metering.stripper.is_none() => answer.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

/// The time for the last bytes of a stream that is cut to reach the client.
const FLUSH: Duration = Duration::from_millis(100);
