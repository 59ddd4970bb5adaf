//! The head of a response, peeked at before hyper reads it.
//!
//! Hyper reads up to 100 fields at no cost, and more of them at one that every response would pay. It skips interim
//! responses, or allocates for each request to tell of them. Here, a head of neither kind costs a look at its lines.

use std::sync::LazyLock;

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};
use httparse::{EMPTY_HEADER, Response, Status};
use memchr::{memchr_iter, memmem::Finder};

use super::MaxHead;

/// A head that was read, as far as hyper does not read it.
pub(super) enum Seen {
    /// It has not come yet, or not all of it.
    Nothing,
    /// An interim response, which has been taken away.
    Interim(StatusCode, HeaderMap),
    /// The final response is for hyper, but for these fields, which have been taken away.
    Final(Option<Box<HeaderMap>>),
}

/// Returns `true` if these bytes begin with a whole head that hyper reads by itself.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    if !bytes.starts_with(b"HTTP/1.") || bytes.get(9).is_none_or(|digit| *digit == b'1') {
        return false;
    }
    let Some(end) = HEAD_END.find(bytes) else { return false };
    // Most heads are too short for so many fields. The status has a line of its own, and what was found ends the last field's.
    end <= SHORTEST_FIELD * HYPERS_MAX_FIELDS
        || memchr_iter(b'\n', &bytes[..end]).count() <= HYPERS_MAX_FIELDS
}

/// Peeks at the bytes of a response, and removes those that hyper does not read.
pub(super) fn peek(read: &mut BytesMut, max: MaxHead) -> Seen {
    let mut fields = vec![EMPTY_HEADER; max.fields];
    let mut response = Response::new(&mut fields);
    let length = match response.parse(read) {
        Ok(Status::Partial) if read.len() < max.bytes as usize => return Seen::Nothing,
        Ok(Status::Complete(length)) if length <= max.bytes as usize => length,
        // Hyper reports the error.
        _ => return Seen::Final(None),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status else { return Seen::Final(None) };
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        let Some(headers) = map(response.headers.iter()) else { return Seen::Final(None) };
        read.advance(length);
        return Seen::Interim(status, headers);
    }
    if response.headers.len() <= HYPERS_MAX_FIELDS {
        return Seen::Final(None);
    }
    let (needed, surplus): (Vec<_>, Vec<_>) =
        response.headers.iter().partition(|field| is_needed(field.name));
    let Some(surplus) = map(surplus.into_iter()) else { return Seen::Final(None) };
    let line = read.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut head = BytesMut::from(&read[..line]);
    for field in needed {
        for piece in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
            head.extend_from_slice(piece);
        }
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(&read[length..]);
    *read = head;
    Seen::Final(Some(Box::new(surplus)))
}

/// Returns `true` if hyper needs the field to find the end of the response.
fn is_needed(name: &str) -> bool {
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE]
        .iter()
        .any(|needed| name.eq_ignore_ascii_case(needed.as_str()))
}

fn map<'a>(fields: impl Iterator<Item = &'a httparse::Header<'a>>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(field.value)).ok()?;
        headers.append(name, value);
    }
    Some(headers)
}

/// The end of a head, as servers write it. Made once, because that costs more than a search.
static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// As many fields as hyper reads where it is not told a number.
const HYPERS_MAX_FIELDS: usize = 100;

/// Bytes of the shortest line of a field: a name, a colon and a line feed.
const SHORTEST_FIELD: usize = 3;
