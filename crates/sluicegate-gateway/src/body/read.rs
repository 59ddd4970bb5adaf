//! Reading as much of a body as the decision depends on.

use std::{future::poll_fn, pin::Pin, time::Duration};

use http_body::Body;
use sluicegate_policy::{Progress, Reading, Refusal};
use tokio::time::timeout;

use super::{ClientBody, MALFORMED};

/// Reads the body until the decision needs no more of it. Trailers are dropped.
///
/// # Errors
///
/// The refusal of the request. At most the limit and one read more was taken from the client.
pub(crate) async fn read(
    body: &mut ClientBody,
    reading: &mut Reading,
    stall: Duration,
) -> Result<(), Refusal> {
    loop {
        if body.is_end_stream() {
            return reading.end();
        }
        let next = timeout(stall, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        let frame = match next.await.map_err(|_| Refusal::ClientStalled)? {
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
