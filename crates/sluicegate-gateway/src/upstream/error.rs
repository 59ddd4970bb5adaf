//! Reasons for a missing response.

use std::{fmt, io};

use http::HeaderValue;
use sluicegate_http::MALFORMED;
use sluicegate_policy::Refusal;

use super::MaxHead;
use crate::request::body::Incomplete;

/// The reason that no response came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nothing listens there, or the name does not resolve.
    Connect(io::Error),
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// No head of an answer within `response_timeout`.
    ResponseTimeout,
    /// The client stopped sending its body for `idle_timeout`.
    ClientStalled,
    /// The client's body ended early or was malformed.
    ClientBody(Incomplete),
    /// The upstream closed the connection.
    Broken(hyper::Error),
    /// The head of the upstream's response is no HTTP.
    Head(hyper::Error),
    /// The head of the upstream's response is larger than this.
    LargeHead(MaxHead),
    /// The upstream's response is in this transfer coding, which the request did not accept.
    Coding(HeaderValue),
    /// The upstream reset the request's stream of HTTP/2, or their connection broke.
    Reset(h2::Error),
    /// The upstream switched to another protocol without a request for it.
    Switched,
}

impl SendError {
    /// Returns `true` if the upstream failed, and not the client.
    pub(crate) fn is_upstreams(&self) -> bool {
        !matches!(self, Self::ClientStalled | Self::ClientBody(_))
    }

    /// Returns `true` if the upstream may have worked on the request for as long as it was given.
    pub(crate) fn is_after_work(&self) -> bool {
        matches!(self, Self::ResponseTimeout)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect to the upstream: {error}"),
            Self::ConnectTimeout => write!(f, "the upstream did not accept a connection in time"),
            Self::ResponseTimeout => write!(f, "the upstream did not answer in time"),
            Self::ClientStalled => write!(f, "the client stopped sending its body"),
            Self::ClientBody(error) => write!(f, "the client's body is incomplete: {error}"),
            Self::Broken(error) => write!(f, "the upstream closed the connection: {error}"),
            Self::LargeHead(MaxHead { bytes, fields }) => write!(
                f,
                "the upstream's response has more than {fields} header fields (max_response_headers), or a \
                 head of more than {bytes} bytes (max_response_head)"
            ),
            Self::Head(error) => write!(f, "the upstream's response is not valid HTTP: {error}"),
            Self::Coding(coding) => {
                write!(f, "the upstream's response is in an unrequested transfer coding: {coding:?}")
            }
            Self::Reset(error) if error.is_library() => write!(
                f,
                "the upstream's response is not valid HTTP/2, or its head is larger than \
                 max_response_head: {error}"
            ),
            Self::Reset(error) => write!(f, "the upstream broke off: {error}"),
            Self::Switched => write!(f, "the upstream switched protocols unasked"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::ClientBody(error) => Some(error),
            Self::Broken(error) | Self::Head(error) => Some(error),
            Self::Reset(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Reset(error) if error.is_library() => Self::UpstreamInvalid,
            SendError::Connect(_) | SendError::Broken(_) | SendError::Reset(_) => Self::UpstreamDown,
            SendError::Head(_) | SendError::LargeHead(_) | SendError::Coding(_) | SendError::Switched => {
                Self::UpstreamInvalid
            }
            SendError::ConnectTimeout => Self::ConnectTimeout,
            SendError::ResponseTimeout => Self::UpstreamTimeout,
            SendError::ClientStalled => Self::ClientStalled,
            SendError::ClientBody(_) => MALFORMED,
        }
    }
}
