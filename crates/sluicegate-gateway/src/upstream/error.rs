//! Why no answer came.

use std::{fmt, io};

use http::HeaderValue;
use sluicegate_policy::Refusal;

use super::MaxHead;
use crate::body::MALFORMED;

/// Why no answer came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nobody listens there, or the name does not resolve.
    Connect(io::Error),
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// No head of an answer within `response_timeout`.
    ResponseTimeout,
    /// The client stopped sending its body for `idle_timeout`.
    ClientStalled,
    /// The client's body ended early or was malformed.
    ClientBody(hyper::Error),
    /// The upstream closed the connection.
    Broken(hyper::Error),
    /// The head of the upstream's response is no HTTP.
    Head(hyper::Error),
    /// The head of the upstream's response is larger than this.
    LargeHead(MaxHead),
    /// The upstream's response is in this transfer coding, which nobody asked for.
    Coding(HeaderValue),
    /// The upstream reset the request's stream of HTTP/2, or their connection broke.
    Reset(h2::Error),
    /// The upstream switched to another protocol, which nobody asked it to.
    Switched,
}

impl SendError {
    /// Whether it is the upstream that failed, and not the client.
    pub(crate) fn is_upstreams(&self) -> bool {
        !matches!(self, SendError::ClientStalled | SendError::ClientBody(_))
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Connect(error) => write!(f, "cannot connect to the upstream: {error}"),
            SendError::ConnectTimeout => write!(f, "the upstream did not accept a connection in time"),
            SendError::ResponseTimeout => write!(f, "the upstream did not answer in time"),
            SendError::ClientStalled => write!(f, "the client stopped sending its body"),
            SendError::ClientBody(error) => write!(f, "the client's body is incomplete: {error}"),
            SendError::Broken(error) => write!(f, "the upstream closed the connection: {error}"),
            SendError::LargeHead(MaxHead { bytes, fields }) => write!(
                f,
                "the upstream's response has more than {fields} header fields (max_response_headers), or a \
                 head of more than {bytes} bytes (max_response_head)"
            ),
            SendError::Head(error) => write!(f, "the upstream's response is no valid HTTP: {error}"),
            SendError::Coding(coding) => {
                write!(f, "the upstream's response is in a transfer coding that nobody asked for: {coding:?}")
            }
            SendError::Reset(error) if error.is_library() => write!(
                f,
                "the upstream's response is no valid HTTP/2, or its head is larger than \
                 max_response_head: {error}"
            ),
            SendError::Reset(error) => write!(f, "the upstream broke off: {error}"),
            SendError::Switched => write!(f, "the upstream switched protocols unasked"),
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SendError::Connect(error) => Some(error),
            SendError::ClientBody(error) | SendError::Broken(error) | SendError::Head(error) => Some(error),
            SendError::Reset(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Refusal {
        match error {
            SendError::Reset(error) if error.is_library() => Refusal::UpstreamInvalid,
            SendError::Connect(_) | SendError::Broken(_) | SendError::Reset(_) => Refusal::UpstreamDown,
            SendError::Head(_) | SendError::LargeHead(_) | SendError::Coding(_) | SendError::Switched => {
                Refusal::UpstreamInvalid
            }
            SendError::ConnectTimeout => Refusal::ConnectTimeout,
            SendError::ResponseTimeout => Refusal::UpstreamTimeout,
            SendError::ClientStalled => Refusal::ClientStalled,
            SendError::ClientBody(_) => MALFORMED,
        }
    }
}
