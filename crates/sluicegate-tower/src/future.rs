//! The future of a response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{BoxError, RequestBody, ResponseBody, decision::Deciding, running::Running};

pin_project! {
    /// The future of a response: the decision, and then the inner service's work.
    ///
    /// Nothing is charged until it is polled. Dropped before the decision, it charges nothing. Dropped after it, the request's
    /// estimate stays charged and its slots are free again.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateBefore]
    enum State<S, F, B> {
        /// The limits are asked. The inner service that was ready waits for the outcome.
        Deciding { deciding: Deciding<B>, inner: S },
        /// The inner service responds.
        Serving { #[pin] serving: F, running: Running },
        /// The response has been given.
        Served,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
{
    pub(crate) fn new(deciding: Deciding<B>, inner: S) -> Self {
        Self { state: State::Deciding { deciding, inner } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Deciding { deciding, inner } => match ready!(deciding.as_mut().poll(cx)) {
                    Ok((request, running)) => {
                        let serving = inner.call(request);
                        state.set(State::Serving { serving, running });
                    }
                    Err(response) => return Poll::Ready(Ok(response.map(ResponseBody::own))),
                },
                StateProjection::Serving { serving, .. } => {
                    let served = ready!(serving.poll(cx));
                    let StateBefore::Serving { running, .. } = state.as_mut().project_replace(State::Served)
                    else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(match served {
                        Ok(response) => Ok(running.relay(response)),
                        Err(error) => {
                            running.failed();
                            Err(error)
                        }
                    });
                }
                StateProjection::Served => return Poll::Pending,
            }
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Deciding { .. } => "Deciding",
            State::Serving { .. } => "Serving",
            State::Served => "Served",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
