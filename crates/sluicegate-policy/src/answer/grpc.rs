//! Responses to gRPC clients: a status in the place where they look for it, instead of a document that they
//! do not read.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::headers::number;

/// Returns `true` for a request of a gRPC client: a call has the content type `application/grpc`, usually
/// with a message format.
pub(super) fn asks(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    let Some((name, rest)) = kind.split_at_checked(GRPC.len()) else { return false };
    name.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';'))
}

/// Writes an answer without a message, in the form that leaves clients free to retry: a single head with the status of the
/// call ("Trailers-Only"), whose HTTP status says nothing.
pub(super) fn write(response: &mut Response<Bytes>, status: StatusCode, detail: &str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(GRPC_STATUS, number(Code::of(status).number));
    // The encoding is visible ASCII.
    headers.extend(HeaderValue::try_from(encoded(detail)).map(|message| (GRPC_MESSAGE, message)));
}

/// Tells when to try again, in milliseconds: never if there is no such time.
pub(super) fn push_back(headers: &mut HeaderMap, milliseconds: Option<u64>) {
    let pushback = match milliseconds {
        Some(milliseconds) => number(milliseconds.min(LONGEST_PUSHBACK)),
        None => HeaderValue::from_static("-1"),
    };
    headers.insert(PUSHBACK, pushback);
}

/// A code of gRPC, which Google's HTTP interfaces name, too.
///
/// <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>
#[derive(Clone, Copy)]
pub(super) struct Code {
    number: u64,
    pub(super) name: &'static str,
}

impl Code {
    /// The code that corresponds to an HTTP status.
    pub(super) fn of(status: StatusCode) -> Self {
        let (number, name) = match status {
            StatusCode::UNAUTHORIZED => (16, "UNAUTHENTICATED"),
            StatusCode::FORBIDDEN => (7, "PERMISSION_DENIED"),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => (4, "DEADLINE_EXCEEDED"),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (8, "RESOURCE_EXHAUSTED"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (12, "UNIMPLEMENTED"),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => (14, "UNAVAILABLE"),
            _ if status.is_client_error() => (3, "INVALID_ARGUMENT"),
            _ => (2, "UNKNOWN"),
        };
        Self { number, name }
    }
}

/// A text as `grpc-message` carries it: what is no printable ASCII, and the per cent sign, by per cent signs.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => encoded.push_str("%25"),
            b' '..=b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

const GRPC: &str = "application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Clients read 32 bits with a sign.
const LONGEST_PUSHBACK: u64 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_in_printable_ascii() {
        assert_eq!(encoded("100 % of \u{fc}\n"), "100 %25 of %C3%BC%0A");
    }
}
