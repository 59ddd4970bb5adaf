//! Preflights: the requests by which a browser asks whether a page may send another.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{Cors, CorsFields, list};
use crate::RequestId;

/// Returns `true` if a browser asks by this request whether a page may send another: `OPTIONS` with `Origin` and
/// `Access-Control-Request-Method`, as the Fetch standard has it.
///
/// No browser sends a body with it, and one that has a body could make work for the upstream free of charge.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && !head.headers.contains_key(header::TRANSFER_ENCODING)
        && head.headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
}

impl Cors {
    /// Our own answer to a preflight of an origin that may call. The browser compares it with the page's request.
    pub(crate) fn preflight_answer(
        &self,
        head: &Parts,
        fields: &CorsFields,
        id: &RequestId,
    ) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(RequestId::HEADER, id.as_header().clone());
        fields.append_origin(headers);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            list(self.methods.iter().map(http::Method::as_str)),
        );
        let allowed = match &self.headers {
            Some(names) => (!names.is_empty()).then(|| list(names.iter().map(header::HeaderName::as_str))),
            // Not `*`: it covers neither `Authorization` nor requests with credentials.
            None => asked_for(head),
        };
        if let Some(allowed) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.as_secs().into());
        response
    }
}

/// The headers that a preflight asks for, if they are names.
fn asked_for(head: &Parts) -> Option<HeaderValue> {
    let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)?;
    let is_name = |name: &[u8]| header::HeaderName::from_bytes(name.trim_ascii()).is_ok();
    asked.as_bytes().split(|byte| *byte == b',').all(is_name).then(|| asked.clone())
}
