//! Forgetting the rest of a request's body.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http_body::Body;
use tokio::{task::spawn_local, time::timeout};

use super::ClientBody;

/// What is to be known of a body's rest before it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It comes before the next request on the connection.
    Coming,
    /// The client waits for "100 Continue", and may send it or not.
    Unasked,
    /// It comes on a stream of its own, in HTTP/2, which ends with the answer.
    Apart,
}

/// Reads a small rest to its end beside the answer, so that the connection can carry the next request.
///
/// Returns whether the connection has to close after the answer.
pub(crate) fn discard(mut body: ClientBody, rest: Rest) -> bool {
    if body.is_end_stream() || rest == Rest::Apart {
        return false;
    }
    if rest == Rest::Unasked || body.size_hint().lower() > WORTH_READING {
        return true;
    }
    let mut left = WORTH_READING;
    // What came together with the head is here already: no task is needed for it.
    if poll_discard(&mut body, &mut left, &mut Context::from_waker(Waker::noop())).is_pending() {
        spawn_local(timeout(WORTH_WAITING, async move {
            poll_fn(|cx| poll_discard(&mut body, &mut left, cx)).await;
        }));
    }
    false
}

/// Ready when the body has ended, or more has come than is worth reading.
fn poll_discard(body: &mut ClientBody, left: &mut u64, cx: &mut Context<'_>) -> Poll<()> {
    while !body.is_end_stream() && *left > 0 {
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { return Poll::Pending };
        let Some(Ok(frame)) = frame else { break };
        *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
    }
    Poll::Ready(())
}

/// The rest of a body up to this size is cheaper to read than a new connection.
const WORTH_READING: u64 = 64 * 1024;

/// How long the rest of a body may take to come.
const WORTH_WAITING: Duration = Duration::from_secs(5);
