//! Stand-in for refusals.

use http::StatusCode;

use crate::{
    body::ReadError,
    forward::BadHead,
    gate::{Answer, answer},
    upstream::SendError,
};

impl From<BadHead> for Answer {
    fn from(_: BadHead) -> Self {
        answer(StatusCode::BAD_REQUEST, "bad head")
    }
}

impl From<ReadError> for Answer {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => answer(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            ReadError::Stalled => answer(StatusCode::REQUEST_TIMEOUT, "stalled"),
            ReadError::Broken => answer(StatusCode::BAD_REQUEST, "broken"),
        }
    }
}

impl From<&SendError> for StatusCode {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Connect(_) | SendError::Broken(_) => StatusCode::BAD_GATEWAY,
            SendError::ConnectTimeout | SendError::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            SendError::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            SendError::ClientBody(_) => StatusCode::BAD_REQUEST,
        }
    }
}
