//! Reading as much of a body as a decision depends on.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use sluicegate_policy::{Progress, Reading, Refusal};

use crate::Timer;

/// The refusal of a request whose body is not what HTTP allows.
pub const MALFORMED: Refusal = Refusal::BadRequest("The body is malformed or ended early");

/// Reads a body until the decision needs no more of it. Trailers are dropped.
///
/// # Errors
///
/// The refusal of the request: the reading's own, [`MALFORMED`], or that of a client that sends nothing for as long as `stall`.
/// At most the reading's limit and one frame more was taken from the client.
pub async fn read<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
    reading: &mut Reading,
    timer: &impl Timer,
    stall: Duration,
) -> Result<(), Refusal> {
    loop {
        if body.is_end_stream() {
            return reading.end();
        }
        let next = within(timer, stall, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        let frame = match next.await.ok_or(Refusal::ClientStalled)? {
            None => return reading.end(),
            Some(frame) => frame.map_err(|_| MALFORMED)?,
        };
        if let Ok(data) = frame.into_data()
            && reading.take(data)? == Progress::Enough
        {
            return Ok(());
        }
    }
}

/// The value of a future, or `None` if it takes longer. The timer is asked only if the value is not there at once.
async fn within<T>(timer: &impl Timer, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    if let Poll::Ready(value) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Some(value);
    }
    let mut late = pin!(timer.sleep(limit));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    })
    .await
}
