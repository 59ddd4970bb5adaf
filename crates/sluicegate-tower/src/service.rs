//! The service.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    BoxError, RequestBody, ResponseBody, ResponseFuture,
    decision::{Deciding, decide},
    limits::Limits,
};

/// A service that lets a request pass if its limits admit it, and responds itself if they do not.
///
/// [`RateLimitLayer`](crate::RateLimitLayer) makes it. Clones share their accounts.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S> RateLimit<S> {
    pub(crate) fn new(inner: S, limits: Arc<Limits>) -> Self {
        Self { inner, limits }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Ready when the inner service is. A limit that is spent is no reason to wait: its requests are denied.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<S, B> {
        // The service that is ready has to be called, and its clone need not be.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let deciding: Deciding<B> = Box::pin(decide(Arc::clone(&self.limits), request));
        ResponseFuture::new(deciding, inner)
    }
}
