//! Forgetting the rest of a request's body.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http_body::Body;
use tokio::{runtime::Handle, task::spawn_local, time::timeout};

use super::{ClientBody, Http2Body};

/// The facts to learn about a body's rest before it is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It comes before the next request on the connection.
    Coming,
    /// The client waits for "100 Continue", and may send it or not.
    Unasked,
    /// It comes on a stream of its own, in HTTP/2, which carries no other request.
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

/// Reads on in a stream of HTTP/2 whose answer needs no more of the body, before the stream is reset.
///
/// Many clients lose the answer if the reset comes while they send (RFC 9113, section 8.1, asks them not to). While their
/// data is taken, they get to see the answer, and stop by themselves or come to the end.
pub(super) fn linger(mut rest: Http2Body) {
    // None when the worker is about to end.
    if Handle::try_current().is_err() {
        return;
    }
    // A stream that is over already needs no task.
    let mut cx = Context::from_waker(Waker::noop());
    let mut left = WORTH_TAKING;
    while let Poll::Ready(frame) = Pin::new(&mut rest).poll_frame(&mut cx) {
        let Some(Ok(frame)) = frame else { return };
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if rest.is_end_stream() || left == 0 {
            return;
        }
    }
    spawn_local(timeout(LINGER, async move {
        let mut next =
            async || timeout(WORTH_WAITING, poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx))).await;
        while left > 0 {
            let Ok(Some(Ok(frame))) = next().await else { return };
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
    }));
}

/// The rest of a body up to this size is cheaper to read than a new connection.
const WORTH_READING: u64 = 64 * 1024;

/// Maximum time for the rest of a body to arrive; in a stream of HTTP/2, for its next piece.
const WORTH_WAITING: Duration = Duration::from_secs(5);

/// Maximum bytes taken of a stream that has been answered: more than most uploads.
const WORTH_TAKING: u64 = 64 * 1024 * 1024;

/// Maximum time for taking them.
const LINGER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use h2::{Reason, SendStream};
    use http::{Request, Response, StatusCode};
    use tokio::{io::duplex, task::LocalSet, time::Instant};

    use super::*;

    /// Begins an upload that is refused at once, and gives it when the whole answer has come.
    async fn refused() -> SendStream<Bytes> {
        let (near, far) = duplex(1 << 20);
        spawn_local(async move {
            let mut connection = h2::server::handshake(far).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                drop(ClientBody::http2(request.into_body(), None, None));
                let answer = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).body(()).unwrap();
                respond.send_response(answer, true).unwrap();
            }
        });
        let (mut client, connection) = h2::client::handshake(near).await.unwrap();
        spawn_local(connection);
        let (answer, upload) =
            client.send_request(Request::post("http://a/").body(()).unwrap(), false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.body().is_end_stream());
        // The connection ends with its last sender.
        std::mem::forget(client);
        upload
    }

    /// Sends bytes, one in so much time, until the upload is reset.
    async fn trickle(mut upload: SendStream<Bytes>, pause: Duration) -> Reason {
        loop {
            // When it has been reset, the reason comes below.
            let _ = upload.send_data(Bytes::from_static(b"x"), false);
            if let Ok(reset) = timeout(pause, poll_fn(|cx| upload.poll_reset(cx))).await {
                return reset.unwrap();
            }
        }
    }

    /// Runs on one thread, with a clock that goes on by itself.
    async fn locally<T>(test: impl Future<Output = T>) -> T {
        LocalSet::new().run_until(test).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_upload_that_goes_on_slowly_is_reset_when_its_time_is_over() {
        locally(async {
            let (upload, began) = (refused().await, Instant::now());
            assert_eq!(trickle(upload, Duration::from_secs(1)).await, Reason::NO_ERROR);
            let took = began.elapsed();
            assert!(took >= LINGER && took < LINGER + TICK, "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_upload_that_stops_is_reset_soon() {
        locally(async {
            let (upload, began) = (refused().await, Instant::now());
            assert_eq!(trickle(upload, Duration::from_secs(60)).await, Reason::NO_ERROR);
            let took = began.elapsed();
            assert!(took >= WORTH_WAITING && took < WORTH_WAITING + TICK, "{took:?}");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_upload_without_end_is_reset_when_much_has_been_taken() {
        locally(async {
            let (mut upload, mut sent) = (refused().await, 0);
            loop {
                upload.reserve_capacity(PIECE);
                let Some(Ok(room)) = poll_fn(|cx| upload.poll_capacity(cx)).await else { break };
                sent += room as u64;
                if upload.send_data(Bytes::from(vec![0; room]), false).is_err() {
                    break;
                }
            }
            // What was under way when the reset came counts here, too.
            assert!((WORTH_TAKING..WORTH_TAKING + (4 << 20)).contains(&sent), "{sent}");
        })
        .await;
    }

    /// Timers fire on whole milliseconds, and never early.
    const TICK: Duration = Duration::from_millis(20);
    const PIECE: usize = 64 * 1024;
}
