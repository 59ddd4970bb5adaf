//! The names of refusals in HTTP and the SDKs.

use http::StatusCode;

use crate::Refusal;

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::AmbiguousPath(_) | Self::BadRequest(_) | Self::BadBody(_) => StatusCode::BAD_REQUEST,
            Self::UnknownApiKey => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin | Self::WrongTier { .. } => StatusCode::FORBIDDEN,
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } | Self::FieldsTooLate { .. } | Self::TooManyItems { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::EncodedBody => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::NoClientAddress => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamDown | Self::UpstreamInvalid => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns `true` if the same request may do better at once. An upstream that takes too long mostly works on, and a retry is
    /// a second one beside it.
    pub(crate) const fn is_worth_a_retry(&self) -> bool {
        !matches!(self, Self::UpstreamTimeout)
    }

    /// The class of error, as the SDKs of OpenAI and Anthropic name them.
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::UnknownApiKey => "authentication_error",
            Self::ForeignOrigin | Self::WrongTier { .. } => "permission_error",
            _ if self.status().as_u16() >= 500 => "api_error",
            _ => "invalid_request_error",
        }
    }
}
