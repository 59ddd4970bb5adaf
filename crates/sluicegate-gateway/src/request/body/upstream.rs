//! The body of an upstream's answer.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sluicegate_http::Exhausted;

use super::clean_trailers;
use crate::{io::wake_filter, upstream::Stream};

/// The body of an upstream's answer, by the HTTP that it comes by.
pub(crate) enum UpstreamBody {
    Http1(Incoming),
    /// Boxed, because it is large.
    Http2(Box<Stream>),
}

/// The reason that the body of a response ended early.
#[derive(Debug)]
pub(crate) enum CutOff {
    /// The connection broke, or was given up.
    Http1(hyper::Error),
    /// The stream was reset, or its connection broke.
    Http2(h2::Error),
    /// Nothing came for too long.
    Overdue,
    /// The tokens of its limit are spent.
    Exhausted(Exhausted),
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let mut polled = match self.get_mut() {
            Self::Http1(body) => {
                wake_filter::poll_frame(body, cx).map(|frame| frame.map(|frame| frame.map_err(CutOff::Http1)))
            }
            Self::Http2(body) => Pin::new(body).poll_frame(cx),
        };
        if let Poll::Ready(frame) = &mut polled {
            clean_trailers(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http1(error) => error.fmt(f),
            Self::Http2(error) => error.fmt(f),
            Self::Overdue => f.write_str("the upstream sent nothing for too long"),
            Self::Exhausted(error) => error.fmt(f),
        }
    }
}

impl From<Exhausted> for CutOff {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

impl CutOff {
    /// The reason by which the client's stream is reset, should it be one of HTTP/2.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Http2(error) if tells_the_client(error) => error.reason(),
            _ => None,
        }
        .unwrap_or(Reason::INTERNAL_ERROR)
    }
}

impl Error for CutOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http1(error) => error.source(),
            Self::Http2(error) => error.source(),
            Self::Overdue | Self::Exhausted(_) => None,
        }
    }
}

/// Returns `true` if the reason of a reset applies to the client's stream, too. A response in part was not
/// refused, and is not complete.
fn tells_the_client(error: &h2::Error) -> bool {
    let is_apart = matches!(error.reason(), Some(Reason::REFUSED_STREAM | Reason::NO_ERROR));
    error.is_remote() && error.is_reset() && !is_apart
}
