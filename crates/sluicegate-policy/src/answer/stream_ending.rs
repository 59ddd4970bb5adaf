//! The last bytes of a stream that the gateway ends itself.

use bytes::Bytes;
use http::StatusCode;

use super::problem::quoted;
use crate::{Dialect, MediaType};

/// The last bytes of a stream that the gateway ends itself, in the dialect of its path.
///
/// Clients take a wrong form for a good end: the SDKs of Anthropic do so with a bare `data` line, and others with an event of
/// Anthropic's. Send it only between two events, which [`UsageReader::is_between_events`](crate::UsageReader::is_between_events)
/// tells, and break the connection off after it. A clean end of the body would be a good end to many clients.
///
/// ```
/// use http::StatusCode;
/// use sluicegate_policy::{Dialect, MediaType, StreamEnding};
///
/// let ending = StreamEnding { status: StatusCode::TOO_MANY_REQUESTS, message: "the limit tpm is spent" };
/// let line = &b"{\"error\":\"the limit tpm is spent\"}\n"[..];
/// assert_eq!(ending.in_dialect(Dialect::Ollama, MediaType::Lines).as_deref(), Some(line));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StreamEnding<'a> {
    /// The status that the response would have had if it had not begun.
    pub status: StatusCode,
    /// The reason, for people to read.
    pub message: &'a str,
}

/// The form of the stream.
enum Form {
    Events,
    Lines,
    /// Elements of a JSON array.
    Array,
}

impl StreamEnding<'_> {
    /// Returns the bytes for a response of this media type. There are none for a response that is no stream: it can only be
    /// broken off. Without a dialect, the error has the form of most servers that stream JSON: `error` as a text.
    #[must_use]
    pub fn in_dialect(&self, dialect: impl Into<Option<Dialect>>, media_type: MediaType) -> Option<Bytes> {
        let dialect = dialect.into();
        let form = Form::of(dialect, media_type)?;
        let (object, event) = self.object(dialect, &form);
        let text = match (form, event) {
            (Form::Events, Some(event)) => format!("event: {event}\ndata: {object}\n\n"),
            (Form::Events, None) => format!("data: {object}\n\n"),
            (Form::Lines, _) => format!("{object}\n"),
            (Form::Array, _) => format!(",\n{object}]"),
        };
        Some(text.into())
    }

    /// The error in a dialect, and the name of the event that carries it.
    fn object(&self, dialect: Option<Dialect>, form: &Form) -> (String, Option<&'static str>) {
        let message = quoted(self.message);
        let Class { openai, code, anthropic, google } = Class::of(self.status);
        let status = self.status.as_u16();
        match dialect {
            Some(Dialect::OpenAi) => (
                format!(
                    "{{\"error\":{{\"message\":{message},\"type\":\"{openai}\",\"param\":null,\"code\":\"{code}\"}}}}"
                ),
                None,
            ),
            Some(Dialect::LlamaCpp) => (
                format!("{{\"error\":{{\"code\":{status},\"message\":{message},\"type\":\"{openai}\"}}}}"),
                None,
            ),
            Some(Dialect::Anthropic) => (
                format!(
                    "{{\"type\":\"error\",\"error\":{{\"type\":\"{anthropic}\",\"message\":{message}}}}}"
                ),
                Some("error"),
            ),
            Some(Dialect::Ollama) | None => (format!("{{\"error\":{message}}}"), None),
            Some(Dialect::Tgi) => (format!("{{\"error\":{message},\"error_type\":\"{code}\"}}"), None),
            Some(Dialect::Gemini) => (
                format!("{{\"error\":{{\"code\":{status},\"message\":{message},\"status\":\"{google}\"}}}}"),
                None,
            ),
            // Its first interface has lines, and its second one events.
            Some(Dialect::Cohere) if matches!(form, Form::Lines) => (
                format!(
                    "{{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"ERROR\",\"error\":{message}}}"
                ),
                None,
            ),
            Some(Dialect::Cohere) => (
                format!(
                    "{{\"type\":\"message-end\",\"delta\":{{\"finish_reason\":\"ERROR\",\"error\":{message}}}}}"
                ),
                Some("message-end"),
            ),
        }
    }
}

impl Form {
    fn of(dialect: Option<Dialect>, media_type: MediaType) -> Option<Self> {
        match media_type {
            MediaType::Events => Some(Self::Events),
            MediaType::Lines => Some(Self::Lines),
            MediaType::Json => (dialect == Some(Dialect::Gemini)).then_some(Self::Array),
            MediaType::Text | MediaType::Other | MediaType::Unnamed => None,
        }
    }
}

/// The names of a kind of error.
struct Class {
    openai: &'static str,
    code: &'static str,
    anthropic: &'static str,
    google: &'static str,
}

impl Class {
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self {
                openai: "rate_limit_error",
                code: "rate_limit_exceeded",
                anthropic: "rate_limit_error",
                google: "RESOURCE_EXHAUSTED",
            },
            StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Self {
                openai: "server_error",
                code: "upstream_timeout",
                anthropic: "timeout_error",
                google: "DEADLINE_EXCEEDED",
            },
            _ => Self {
                openai: "server_error",
                code: "upstream_down",
                anthropic: "api_error",
                google: "UNAVAILABLE",
            },
        }
    }
}
