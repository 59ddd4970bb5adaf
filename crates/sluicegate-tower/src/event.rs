//! Events that a server logs.

use std::fmt;

use sluicegate::{StoreError, Transition};
use sluicegate_http::DenialFields;
use sluicegate_policy::Refusal;

/// An event that a server logs. Its text is a line for people.
///
/// [`Builder::listener`](crate::Builder::listener) gets them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A limit denied a request.
    Denied {
        /// The fields of the denial. Its key is hashed unless the policy says otherwise.
        denial: DenialFields<'a>,
        /// The id of the request, which its client got.
        request_id: &'a str,
    },
    /// A request was refused, although no limit is spent.
    Refused {
        /// The reason.
        refusal: &'a Refusal,
        /// The store's error, where that is the reason.
        store_error: Option<&'a StoreError>,
        /// The id of the request, which its client got.
        request_id: &'a str,
    },
    /// A stream was cut, because its tokens are spent.
    Cut {
        /// The name of the limit.
        limit: &'a str,
    },
    /// A request could not be settled, because the store did not answer: its estimate stays charged.
    Unsettled(&'a StoreError),
    /// The store stopped answering, or answers again.
    Store(&'a Transition),
    /// The file of API keys could not be read again: the old keys stay.
    ApiKeys(&'a sluicegate_policy::ApiKeysError),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { denial: DenialFields { route, limit, key, retry_after }, request_id } => {
                write!(f, "denied: limit {limit}, route {route}, key {key}, ")?;
                match retry_after {
                    Some(seconds) => write!(f, "retry after {seconds} s")?,
                    None => f.write_str("waiting does not help")?,
                }
                write!(f, ", request {request_id}")
            }
            Self::Refused { refusal: refusal @ Refusal::NoClientAddress, request_id, .. } => write!(
                f,
                "refused: {refusal}: serve with axum's into_make_service_with_connect_info::<SocketAddr>(), put a \
                 PeerAddress into the request's extensions, or give the layer's builder a peer address; request {request_id}"
            ),
            Self::Refused { refusal, store_error: None, request_id } => {
                write!(f, "refused: {refusal}, request {request_id}")
            }
            Self::Refused { refusal, store_error: Some(error), request_id } => {
                write!(f, "refused: {refusal}: {error}, request {request_id}")
            }
            Self::Cut { limit } => write!(f, "a stream is cut: the tokens of the limit {limit} are spent"),
            Self::Unsettled(error) => write!(f, "a request stays charged as estimated: {error}"),
            Self::Store(transition) => transition.fmt(f),
            Self::ApiKeys(error) => write!(f, "the old API keys stay: {error}"),
        }
    }
}
