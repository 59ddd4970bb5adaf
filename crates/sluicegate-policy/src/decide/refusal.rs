//! Every "no" that is not about a spent limit.

use std::fmt;

use crate::{AmbiguousPath, BodyError};

/// The reason that a request is not served although no limit is spent. Nothing is charged for it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: servers read the path in different ways.
    AmbiguousPath(AmbiguousPath),
    /// 400: something else is wrong with the request, and what would be right.
    BadRequest(&'static str),
    /// 400: the body cannot be metered.
    BadBody(BodyError),
    /// 401: the API key is unknown.
    UnknownApiKey,
    /// 403: pages of this origin may not call.
    ForeignOrigin,
    /// 403: the route is for another tier.
    WrongTier {
        /// The tier that it is for.
        needed: String,
    },
    /// 408: the client stopped sending.
    ClientStalled,
    /// 413: the body is larger than the maximum that is read to find a cost.
    BodyTooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// 413: the form's fields that a key is made of come behind more than is read to find them.
    FieldsTooLate {
        /// The most bytes that are read.
        limit: u64,
    },
    /// 413: the request has more items than the route takes at once.
    TooManyItems {
        /// The request's items.
        items: u64,
        /// The most items.
        most: u64,
    },
    /// 414: the target is longer than the maximum.
    TargetTooLong,
    /// 415: the body has to be read and is compressed.
    EncodedBody,
    /// 431: the head is larger than the maximum, or has more fields.
    HeadTooLarge {
        /// The most bytes.
        limit: u64,
        /// The most fields.
        most: usize,
    },
    /// 431: the head has more fields than are read.
    TooManyHeaders {
        /// The most fields.
        most: usize,
    },
    /// 500: the way in does not know the address of the client, and a limit depends on it.
    NoClientAddress,
    /// 502: the upstream cannot be reached, or broke off before it answered.
    UpstreamDown,
    /// 502: the upstream's response cannot be passed on.
    UpstreamInvalid,
    /// 504: no connection to the upstream came about in time.
    ConnectTimeout,
    /// 504: the upstream has the request and did not answer in time.
    UpstreamTimeout,
    /// 503: the store that keeps the balances did not answer.
    StoreUnavailable,
}

impl Refusal {
    /// A word for programs: the `code` of the answer's `error` object, and of logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AmbiguousPath(_) => "ambiguous_path",
            Self::BadRequest(_) => "bad_request",
            Self::BadBody(_) => "invalid_body",
            Self::UnknownApiKey => "invalid_api_key",
            Self::ForeignOrigin => "origin_not_allowed",
            Self::WrongTier { .. } => "tier_required",
            Self::ClientStalled => "request_timeout",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::FieldsTooLate { .. } => "fields_too_late",
            Self::TooManyItems { .. } => "too_many_items",
            Self::TargetTooLong => "target_too_long",
            Self::EncodedBody => "encoded_body",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::TooManyHeaders { .. } => "too_many_headers",
            Self::NoClientAddress => "no_client_address",
            Self::UpstreamDown => "upstream_down",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::ConnectTimeout | Self::UpstreamTimeout => "upstream_timeout",
            Self::StoreUnavailable => "store_unavailable",
        }
    }
}

/// The error and the remedy, for the client.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmbiguousPath(error) => error.fmt(f),
            Self::BadRequest(what) => f.write_str(what),
            Self::BadBody(error) => error.fmt(f),
            Self::UnknownApiKey => {
                f.write_str("Unknown API key: send a valid one in x-api-key or Authorization: Bearer")
            }
            Self::ForeignOrigin => f.write_str("Pages of this origin may not call this API"),
            Self::WrongTier { needed } => {
                let mut letters = needed.chars();
                let first = letters.next().into_iter().flat_map(char::to_uppercase);
                write!(f, "{}{} access required", first.collect::<String>(), letters.as_str())
            }
            Self::ClientStalled => f.write_str("The body stopped arriving: send the request again"),
            Self::BodyTooLarge { limit } => {
                write!(f, "The body is larger than {limit} bytes: send it in smaller parts")
            }
            Self::FieldsTooLate { limit } => {
                write!(
                    f,
                    "The form does not have the fields that are needed within its first {limit} bytes: send them before its files"
                )
            }
            Self::TooManyItems { items, most } => {
                write!(
                    f,
                    "The request has {items} items, and at most {most} are taken at once: send fewer in each request"
                )
            }
            Self::TargetTooLong => {
                f.write_str("The target of the request is too long: send what is long in the body")
            }
            Self::HeadTooLarge { limit, most } => write!(
                f,
                "The head of the request is larger than {limit} bytes or has more than {most} header fields: send less"
            ),
            Self::EncodedBody => {
                f.write_str("The body must be read here and is compressed: send it without Content-Encoding")
            }
            Self::TooManyHeaders { most } => {
                write!(f, "The request has more than {most} header fields: send fewer")
            }
            Self::NoClientAddress => f.write_str(
                "The server cannot tell its clients apart, because it does not know their addresses",
            ),
            Self::UpstreamDown => {
                f.write_str("The upstream server cannot be reached, or broke off before it answered")
            }
            Self::UpstreamInvalid => {
                f.write_str("The upstream server sent a response that cannot be passed on")
            }
            Self::ConnectTimeout | Self::UpstreamTimeout => {
                f.write_str("The upstream server did not answer in time")
            }
            Self::StoreUnavailable => f.write_str("The rate limit store did not answer"),
        }
    }
}

impl std::error::Error for Refusal {}
