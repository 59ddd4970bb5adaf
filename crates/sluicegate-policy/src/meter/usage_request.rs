//! The wish for usage, put into requests for streams that have none.

use std::ops::Range;

use bytes::Bytes;

use super::members::{Members, after_spaces};

/// Asks for usage at the end of a stream: returns the body of a request in OpenAI's dialect with
/// `stream_options.include_usage` set, and every other byte as it is.
///
/// Returns `None` if the body asks for no stream, asks for usage itself, or is no request for completions: servers refuse the
/// member elsewhere. A [`UsageStripper`](crate::UsageStripper) takes the usage out of the response again.
///
/// ```
/// use sluicegate_policy::ask_for_usage;
///
/// let body = br#"{"messages": [], "stream": true}"#;
/// let asking = br#"{"stream_options":{"include_usage":true},"messages": [], "stream": true}"#;
/// assert_eq!(ask_for_usage(body), Some(asking[..].into()));
/// assert_eq!(ask_for_usage(asking), None);
/// ```
#[must_use]
pub fn ask_for_usage(body: &[u8]) -> Option<Bytes> {
    let Change { replaced, text } = Change::of(body)?;
    Some([body.get(..replaced.start)?, text.as_bytes(), body.get(replaced.end..)?].concat().into())
}

/// A change to a body.
struct Change {
    replaced: Range<usize>,
    text: &'static str,
}

impl Change {
    fn of(body: &[u8]) -> Option<Self> {
        let members = Members::at(body, 0)?;
        let begin = members.position();
        let (mut streams, mut completes, mut options) = (false, false, None);
        for member in members {
            streams |= member.is_named("stream") && &body[member.value.clone()] == b"true";
            completes |= member.is_named("messages") || member.is_named("prompt");
            if member.is_named("stream_options") {
                options = Some(member.value);
            }
        }
        if !streams || !completes {
            return None;
        }
        match options {
            None => {
                Some(Self { replaced: begin..begin, text: "\"stream_options\":{\"include_usage\":true}," })
            }
            Some(value) if &body[value.clone()] == b"null" => {
                Some(Self { replaced: value, text: "{\"include_usage\":true}" })
            }
            Some(value) => Self::within(body, value.start),
        }
    }

    /// The change to options that begin here.
    fn within(body: &[u8], begin: usize) -> Option<Self> {
        let mut members = Members::at(body, begin)?;
        let begin = members.position();
        if let Some(member) = members.find(|member| member.is_named("include_usage")) {
            // A value of another type is for the server to refuse.
            let is_off = matches!(&body[member.value.clone()], b"false" | b"null");
            return is_off.then_some(Self { replaced: member.value, text: "true" });
        }
        let is_empty = body.get(after_spaces(body, begin)) == Some(&b'}');
        let text = if is_empty { "\"include_usage\":true" } else { "\"include_usage\":true," };
        Some(Self { replaced: begin..begin, text })
    }
}
