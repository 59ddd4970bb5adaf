//! A request's body as its client sends it, by either HTTP.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{Http2Body, Unread};
use crate::{io::wake_filter, request::interim::Interims};

/// A request's body, by the HTTP that it comes by.
pub(super) enum Incoming {
    Http1(hyper::body::Incoming, Unread),
    /// With the way to invite the client, if it waits for "100 Continue".
    Http2(Http2Body, Option<Interims>),
}

/// Why a request's body ended early.
#[derive(Debug)]
pub(crate) enum Incomplete {
    /// The connection broke, or the coding is malformed.
    Http1(hyper::Error),
    /// The stream was reset, or its connection broke.
    Http2(h2::Error),
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Incomplete;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Incomplete>>> {
        match self.get_mut() {
            Self::Http1(body, _) => wake_filter::poll_frame(body, cx)
                .map(|frame| frame.map(|frame| frame.map_err(Incomplete::Http1))),
            Self::Http2(body, invitation) => {
                let polled = Pin::new(body).poll_frame(cx);
                // Hyper does so for HTTP/1.1.
                if let Some(invitation) = invitation.take()
                    && polled.is_pending()
                {
                    invitation.invite();
                }
                polled.map(|frame| frame.map(|frame| frame.map_err(Incomplete::Http2)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body, _) => body.is_end_stream(),
            Self::Http2(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body, _) => body.size_hint(),
            Self::Http2(body, _) => body.size_hint(),
        }
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http1(error) => error.fmt(f),
            Self::Http2(error) => error.fmt(f),
        }
    }
}

impl Error for Incomplete {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http1(error) => error.source(),
            Self::Http2(error) => error.source(),
        }
    }
}
