//! The header fields that frame a body: written anew from the body that is known, never copied (RFC 9112, section 6).

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING},
    request, response,
};
use http_body::Body;

use crate::request::body::{RequestBody, UpstreamBody};

/// The facts about a client's request on which the framing of its response depends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestFraming {
    pub(crate) version: Version,
    pub(crate) is_head: bool,
}

impl RequestFraming {
    /// The request with this head, as the client sent it.
    pub(crate) fn of(head: &request::Parts) -> Self {
        Self { version: head.version, is_head: head.method == Method::HEAD }
    }
}

/// Removes what frames the response that an upstream sent by HTTP/1.1. The body has been decoded, so the coding is gone,
/// and a length beside it never counted.
///
/// # Errors
///
/// The line of `Transfer-Encoding`, if it names a coding that has not been undone.
pub(crate) fn decoded<B: Body>(response: &mut Response<B>) -> Result<(), HeaderValue> {
    if !response.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut lines = response.headers().get_all(TRANSFER_ENCODING).iter();
    if let Some(line) = lines.find(|line| !is_undone(line))
        && !response.body().is_end_stream()
    {
        return Err(line.clone());
    }
    response.headers_mut().remove(TRANSFER_ENCODING);
    response.headers_mut().remove(CONTENT_LENGTH);
    Ok(())
}

/// Frames a response for the client.
pub(crate) fn response(head: &mut response::Parts, body: &UpstreamBody, request: RequestFraming) {
    let headers = &mut head.headers;
    if is_bare(head.status) {
        return set_length(headers, None);
    }
    if request.is_head || is_without_content(head.status) {
        // It is the length of the content that is left out.
        let length = announced(headers);
        return set_length(headers, length);
    }
    let length = body.size_hint().exact();
    set_length(headers, length);
    // HTTP/1.1 has trailers behind chunks alone.
    if length.is_some() && request.version != Version::HTTP_2 && headers.contains_key(TRAILER) {
        match body {
            UpstreamBody::Http2(body) if request.version == Version::HTTP_11 && !body.is_end_stream() => {
                chunk(headers);
            }
            _ => drop(headers.remove(TRAILER)),
        }
    }
}

/// Frames a request, as far as both versions of HTTP have it in common.
pub(crate) fn request(headers: &mut HeaderMap, body: &RequestBody) {
    let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
    set_length(headers, length);
    if !body.may_have_trailers() {
        headers.remove(TRAILER);
    }
}

/// Frames a request for an upstream of HTTP/1.1: in chunks where the length is unknown, or trailers are announced.
pub(crate) fn request_of_http1(request: &mut Request<RequestBody>) {
    let body = request.body();
    if !body.is_end_stream()
        && body.may_have_trailers()
        && (body.size_hint().exact().is_none() || request.headers().contains_key(TRAILER))
    {
        chunk(request.headers_mut());
    }
}

/// Returns `true` if a response with this status has no content, whatever its head says.
pub(crate) fn is_without_content(status: StatusCode) -> bool {
    is_bare(status) || status == StatusCode::NOT_MODIFIED
}

fn chunk(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
}

/// Makes the head tell this length, or none. A head that tells none is left to the library, which adds it where it must.
fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let (told, more) = (lines.next(), lines.next());
    match length {
        _ if told.is_none() => {}
        None => drop(headers.remove(CONTENT_LENGTH)),
        Some(length) if more.is_none() && told.and_then(number) == Some(length) => {}
        Some(length) => drop(headers.insert(CONTENT_LENGTH, length.into())),
    }
}

/// The length that a head tells, if that is one number.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let mut lengths = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .map(digits);
    let first = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}

/// A number as we would write it.
fn number(line: &HeaderValue) -> Option<u64> {
    let text = line.as_bytes();
    let is_ours = text.len() == 1 || !text.starts_with(b"0");
    digits(text).filter(|_| is_ours)
}

fn digits(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |number: u64, byte| number.checked_mul(10)?.checked_add(digit(byte)?);
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

/// Returns `true` if the library has undone these codings: that which is none, and that in chunks.
fn is_undone(line: &HeaderValue) -> bool {
    let mut codings = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.eq_ignore_ascii_case(b"chunked") || coding.eq_ignore_ascii_case(b"identity"))
}

/// Returns `true` if a response with this status has neither content nor the length of any (RFC 9110, section 8.6).
fn is_bare(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}
