//! The media type of an answer, as far as it tells how documents are framed in it.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

/// The media type of an answer, as far as it tells how documents are framed in it.
///
/// ```
/// use http::HeaderValue;
/// use sluicegate_policy::MediaType;
///
/// let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
/// assert_eq!(MediaType::of_value(&events), MediaType::Events);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MediaType {
    /// A stream of events, with a document in each.
    Events,
    /// A document of JSON on each line.
    Lines,
    /// One document of JSON, or an array of them.
    Json,
    /// Text that is the answer itself.
    Text,
    /// Sound, pictures and the like.
    Other,
    /// The head does not tell it.
    Unnamed,
}

impl MediaType {
    /// The media type in the head of an answer.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(CONTENT_TYPE).map_or(Self::Unnamed, Self::of_value)
    }

    /// The media type that a content type names.
    #[must_use]
    pub fn of_value(content_type: &HeaderValue) -> Self {
        let value = content_type.as_bytes();
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let name = value[..end].trim_ascii().to_ascii_lowercase();
        match name.as_slice() {
            b"text/event-stream" => Self::Events,
            b"application/x-ndjson"
            | b"application/ndjson"
            | b"application/jsonl"
            | b"application/x-jsonlines"
            | b"application/jsonlines"
            | b"application/stream+json" => Self::Lines,
            b"" => Self::Unnamed,
            name if name.ends_with(b"json") => Self::Json,
            name if name.starts_with(b"text/") => Self::Text,
            _ => Self::Other,
        }
    }

    /// Returns `true` if it is a stream of events or lines.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Events | Self::Lines)
    }
}
