//! The bodies of requests and responses.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sluicegate_http::{Answer, BodyMetering, Held, Observed, Relayed};
use sluicegate_policy::Repetition;

use crate::{BoxError, running::Running, timer::Tokio};

/// The body of a request, as the inner service gets it: as it came, even where the decision has read some of it.
#[derive(Debug)]
pub struct RequestBody<B>(Held<B>);

impl<B> RequestBody<B> {
    pub(crate) fn new(held: Option<Bytes>, rest: B) -> Self {
        let held = held.filter(|held| !held.is_empty());
        Self(Held::new(Vec::from_iter(held), rest))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.get_mut().0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// The body of a response: the inner service's, or that of a denial.
///
/// It holds the request's permit until its end, or until it is dropped. Where the policy meters tokens, it reads the usage of
/// the response in passing, and ends early with an error if the policy cuts streams whose tokens are spent.
#[derive(Debug)]
pub struct ResponseBody<R>(Answer<Passing<R>, Tokio>);

impl<R> ResponseBody<R> {
    /// A response without the inner service.
    pub(crate) fn own(body: Bytes) -> Self {
        Self(Answer::Own(Some(body)))
    }
}

impl<R: Body<Data = Bytes>> ResponseBody<R> {
    /// The response to a request that is admitted.
    pub(crate) fn relayed(body: R, metering: Option<BodyMetering>, running: Running) -> Self {
        Self(Answer::relayed(Passing(Observed::new(body, running)), metering, Tokio))
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.get_mut().0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// The inner service's body, with the request that it belongs to.
#[derive(Debug)]
struct Passing<R>(Observed<R, Running>);

impl<R> Relayed for Passing<R>
where
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    #[inline]
    fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        self.0.observer_mut().extend(cx)
    }

    fn repetition(&mut self) -> Option<Repetition> {
        self.0.observer().repetition()
    }
}

impl<R> Body for Passing<R>
where
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.get_mut().0).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
