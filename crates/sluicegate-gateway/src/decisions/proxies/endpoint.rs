//! The endpoints, one for each way in which proxies ask.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::RETRY_AFTER};

/// A way to ask, and to take an answer. Each lets a request pass on a 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// nginx's `auth_request`, which knows 401 and 403 and makes a 500 of every other status.
    AuthRequest,
    /// Traefik's ForwardAuth, Caddy's `forward_auth` and others that hand any answer to the client.
    ForwardAuth,
    /// Envoy's external authorization, which makes an empty 403 of every 5xx. The original path comes behind the endpoint's.
    ExtAuthz,
}

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/auth-request" => Some(Self::AuthRequest),
            "/forward-auth" => Some(Self::ForwardAuth),
            _ => path.strip_prefix(EXT_AUTHZ)?.starts_with('/').then_some(Self::ExtAuthz),
        }
    }

    /// The answer by which this kind of proxy rejects a request.
    pub(super) fn rejected(self, mut response: Response<Bytes>) -> Response<Bytes> {
        let status = response.status();
        match self {
            Self::ForwardAuth => {}
            Self::AuthRequest => {
                // The status that the client is to get, for nginx's `error_page`.
                response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
                if status != StatusCode::UNAUTHORIZED {
                    *response.status_mut() = StatusCode::FORBIDDEN;
                }
            }
            Self::ExtAuthz if status.is_server_error() => {
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
            }
            Self::ExtAuthz => {}
        }
        response
    }
}

/// The header with the status for the client.
const STATUS: HeaderName = HeaderName::from_static("sluicegate-status");

/// The path of [`Endpoint::ExtAuthz`], which the original path follows.
pub(super) const EXT_AUTHZ: &str = "/ext-authz";
