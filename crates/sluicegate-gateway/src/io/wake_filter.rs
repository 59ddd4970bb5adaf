//! Letting a connection's task sleep when all that it was woken for is done.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http_body::Frame;
use hyper::body::{Body, Incoming};

/// A connection of HTTP/1.1, which [`poll_frame`] need not wake at the end of a body.
///
/// Hyper wakes a connection for each piece of a body that is taken from it, also for the last, after which the connection
/// has nothing to do with the body any more. That turn of its task costs as much as a decision.
pub(crate) struct WakeFilter<F> {
    connection: F,
    /// The waker of the task, and the one that stands for it.
    wakers: Option<(Waker, Waker)>,
}

/// Wakes a task, but while a body is polled on the same thread: then it is only noted.
struct FilterWaker(Waker);

/// The handling of wakes on this thread.
#[derive(Default)]
enum Wakes {
    #[default]
    Pass,
    /// A body is polled, and has not woken a task yet.
    Noted(Option<Waker>),
}

thread_local! {
    static WAKES: Cell<Wakes> = const { Cell::new(Wakes::Pass) };
}

/// The next piece of a body. Its sender is woken only if there is more to send.
pub(crate) fn poll_frame(
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    WAKES.set(Wakes::Noted(None));
    let polled = Pin::new(&mut *body).poll_frame(cx);
    if let Wakes::Noted(Some(waker)) = WAKES.take()
        && !body.is_end_stream()
    {
        waker.wake();
    }
    polled
}

impl<F> WakeFilter<F> {
    pub(crate) fn new(connection: F) -> Self {
        Self { connection, wakers: None }
    }

    pub(crate) fn get_mut(&mut self) -> &mut F {
        &mut self.connection
    }

    pub(crate) fn into_inner(self) -> F {
        self.connection
    }
}

impl<F: Future + Unpin> Future for WakeFilter<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let task = cx.waker();
        let wakers = match this.wakers.take() {
            Some(wakers) if wakers.0.will_wake(task) => wakers,
            _ => (task.clone(), Arc::new(FilterWaker(task.clone())).into()),
        };
        let (_, waker) = this.wakers.insert(wakers);
        Pin::new(&mut this.connection).poll(&mut Context::from_waker(waker))
    }
}

impl Wake for FilterWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // At the end of a thread there is none of it.
        match WAKES.try_with(Cell::take).unwrap_or_default() {
            Wakes::Pass => self.0.wake_by_ref(),
            Wakes::Noted(noted) => {
                // Should there be more than one, only the last can be the body's.
                if let Some(noted) = noted {
                    noted.wake();
                }
                WAKES.set(Wakes::Noted(Some(self.0.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{pending, poll_fn},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use http::{Request, Response};
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncWrite, duplex};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the wakes of a connection in the turn in which a request arrives and a piece of its body is
    /// taken.
    fn wakes(request: &[u8]) -> usize {
        let (mut client, server) = duplex(1024);
        let service = service_fn(|request: Request<Incoming>| async move {
            let mut body = request.into_body();
            let piece = poll_fn(|cx| poll_frame(&mut body, cx)).await;
            assert!(piece.expect("it has come").is_ok());
            pending::<()>().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let written = Pin::new(&mut client).poll_write(&mut Context::from_waker(Waker::noop()), request);
        assert!(matches!(written, Poll::Ready(Ok(length)) if length == request.len()));
        assert!(
            Pin::new(&mut WakeFilter::new(connection)).poll(&mut Context::from_waker(&waker)).is_pending()
        );
        count.0.load(Ordering::Relaxed)
    }

    #[test]
    fn the_last_piece_of_a_body_wakes_nobody_and_any_other_does() {
        assert_eq!(wakes(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"), 0);
        assert_eq!(wakes(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nbody"), 1);
        assert_eq!(
            wakes(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n"),
            1
        );
    }
}
