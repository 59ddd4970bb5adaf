//! The bodies that pass through: a request's on its way up, an answer's on its way down.

mod detached;
mod discard;
mod http2;
mod incoming;
mod relayed;
mod request;
pub(crate) mod unread;
mod upstream;

pub(crate) use self::detached::{DetachedBody, Remains};
pub(crate) use self::discard::{Rest, discard};
pub(crate) use self::http2::Http2Body;
pub(crate) use self::incoming::Incomplete;
pub(crate) use self::relayed::RelayedBody;
pub(crate) use self::request::{Arrival, ClientBody, RequestBody};
pub(crate) use self::unread::Unread;
pub(crate) use self::upstream::{CutOff, UpstreamBody};

use bytes::Bytes;
use http_body::Frame;
use sluicegate_http::Answer;

use crate::{io::interval::Tokio, request::forward};

/// The body of a response.
pub(crate) type AnswerBody = Answer<RelayedBody, Tokio>;

/// Returns `true` if nothing follows this frame of a body: trailers are the last.
fn is_last<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> bool {
    match frame {
        None => true,
        Some(Ok(frame)) => frame.is_trailers(),
        Some(Err(_)) => false,
    }
}

/// Removes from trailers what may not stand there.
fn clean_trailers<E>(frame: &mut Option<Result<Frame<Bytes>, E>>) {
    if let Some(Ok(frame)) = frame
        && let Some(trailers) = frame.trailers_mut()
    {
        forward::trailers(trailers);
    }
}
