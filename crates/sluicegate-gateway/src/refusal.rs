//! Stand-in for refusals.

use http::StatusCode;

use crate::body::ReadError;
use crate::forward::BadHead;
use crate::gate::{Answer, answer};
use crate::upstream::SendError;

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

impl From<&SendError> for Answer {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Connect(_) | SendError::Broken(_) => answer(StatusCode::BAD_GATEWAY, "bad gateway"),
            SendError::ConnectTimeout | SendError::ResponseTimeout => {
                answer(StatusCode::GATEWAY_TIMEOUT, "timeout")
            }
            SendError::ClientStalled => answer(StatusCode::REQUEST_TIMEOUT, "stalled"),
            SendError::ClientBody(_) => answer(StatusCode::BAD_REQUEST, "broken"),
        }
    }
}
