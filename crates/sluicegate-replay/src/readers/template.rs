//! Lines of text in a format that is given as one: nginx's `log_format`, or Envoy's format strings.

use std::{borrow::Cow, fmt};

use http::HeaderName;
use sluicegate::Unit;

use super::{LineReader, Wanted};
use crate::{Event, Field, draft::Draft};

/// A format of lines: variables, and the text between them.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// The text before the first variable.
    start: String,
    variables: Vec<Variable>,
    /// nginx writes quotation marks and control characters as `\xXX`.
    has_escapes: bool,
    request: Wanted,
}

/// A variable, and the text behind it.
#[derive(Clone, Debug)]
struct Variable {
    /// `None` if nothing needs its value.
    field: Option<Field>,
    until: String,
}

/// The reason why a text is no format of lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormatError(pub(crate) String);

impl Template {
    /// Reads a format: `$name` and `${name}` are variables of nginx, and `%NAME%` those of Envoy.
    ///
    /// # Errors
    ///
    /// When it has no variables, or two that nothing separates.
    pub(crate) fn new(format: &str, wanted: &Wanted) -> Result<Self, FormatError> {
        let has_escapes = format.contains('$');
        let mut start = String::new();
        let mut variables: Vec<Variable> = Vec::new();
        let mut rest = format.trim_end_matches(['\n', '\r']);
        while let Some(character) = rest.chars().next() {
            let found = match character {
                '$' if has_escapes => nginx_name(rest),
                '%' if !has_escapes => envoy_name(rest),
                _ => None,
            };
            let Some((name, length)) = found else {
                let text = variables.last_mut().map_or(&mut start, |last| &mut last.until);
                text.push(character);
                rest = &rest[character.len_utf8()..];
                continue;
            };
            if variables.last().is_some_and(|last| last.until.is_empty()) {
                return Err(FormatError(format!(
                    "nothing separates `{name}` from the variable before it; put a blank between them"
                )));
            }
            let field = wanted.field(name).or_else(|| if has_escapes { nginx(name) } else { envoy(name) });
            let field = field.filter(|field| match field {
                Field::Header(name) => wanted.headers.contains(name),
                Field::Cookie(_) => wanted.headers.contains(&http::header::COOKIE),
                _ => true,
            });
            variables.push(Variable { field, until: String::new() });
            rest = &rest[length..];
        }
        if !variables.iter().any(|variable| matches!(variable.field, Some(Field::Time | Field::EndTime))) {
            return Err(FormatError(format!("`{format}` has no time; {HELP}")));
        }
        Ok(Self { start, variables, has_escapes, request: wanted.clone() })
    }

    /// Returns `true` if none of the variables from this one on is needed to decide a request.
    fn is_optional_from(&self, place: usize) -> bool {
        let is_optional = |variable: &Variable| matches!(variable.field, None | Some(Field::Header(_)));
        self.variables[place..].iter().all(is_optional)
    }

    fn value<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text == "-" {
            return Cow::Borrowed("");
        }
        if self.has_escapes && text.contains("\\x") {
            Cow::Owned(unescaped(text))
        } else {
            Cow::Borrowed(text)
        }
    }
}

impl LineReader for Template {
    fn read(&self, line: &str) -> Result<Option<Event>, String> {
        let mut rest = line
            .strip_prefix(self.start.as_str())
            .ok_or_else(|| format!("the line does not begin with `{}`, as its format does", self.start))?;
        let mut draft = Draft::default();
        for (place, variable) in self.variables.iter().enumerate() {
            let text = if variable.until.is_empty() {
                std::mem::take(&mut rest)
            } else if let Some((text, behind)) = rest.split_once(variable.until.as_str()) {
                rest = behind;
                text
            } else if self.is_optional_from(place) {
                break;
            } else {
                return Err(format!(
                    "there is no `{}` behind variable {} of the format",
                    variable.until,
                    place + 1
                ));
            };
            if let Some(field) = &variable.field {
                draft.set(field, &self.value(text))?;
            }
        }
        draft.finish(self.request.request.as_ref()).map(|record| Some(Event::Request(Box::new(record))))
    }
}

/// The name of nginx's variable at the beginning of a text, and its length in the text.
fn nginx_name(text: &str) -> Option<(&str, usize)> {
    let behind = &text[1..];
    if let Some(braced) = behind.strip_prefix('{') {
        let end = braced.find('}')?;
        return Some((&braced[..end], end + 3));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let end = behind.bytes().position(|byte| !is_name(byte)).unwrap_or(behind.len());
    (end > 0).then(|| (&behind[..end], end + 1))
}

/// The name of Envoy's variable at the beginning of a text, with its arguments, and its length in the text.
fn envoy_name(text: &str) -> Option<(&str, usize)> {
    let behind = &text[1..];
    let close = behind.find('%')?;
    // `%START_TIME(%s.%3f)%` has more of them inside.
    let end = match behind.find('(').filter(|open| *open < close) {
        Some(open) => open + behind[open..].find(")%")? + 1,
        None => close,
    };
    (end > 0).then(|| (&behind[..end], end + 2))
}

/// The field that a variable of nginx holds.
fn nginx(name: &str) -> Option<Field> {
    let header = |name: &str| HeaderName::from_bytes(name.replace('_', "-").as_bytes()).ok();
    Some(match name {
        "remote_addr" => Field::ClientIp,
        "time_local" | "time_iso8601" | "msec" => Field::EndTime,
        "request_method" => Field::Method,
        "request_uri" => Field::Path,
        "request_time" => Field::Duration,
        _ => match name.split_once('_') {
            Some(("http", name)) => Field::Header(header(name)?),
            Some(("cookie", name)) => Field::Cookie(name.to_owned()),
            Some(("arg", name)) => Field::Query(name.to_owned()),
            _ => name.parse().ok()?,
        },
    })
}

/// The field that a variable of Envoy holds.
fn envoy(name: &str) -> Option<Field> {
    Some(match name {
        "START_TIME" => Field::Time,
        "RESPONSE_CODE" => Field::Status,
        "DURATION" => Field::DurationMs,
        "BYTES_RECEIVED" => Field::Cost(Unit::Bytes),
        "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Field::ClientIp,
        _ => match name.strip_prefix("REQ(")?.strip_suffix(')')? {
            ":METHOD" => Field::Method,
            ":PATH" | "X-ENVOY-ORIGINAL-PATH?:PATH" => Field::Path,
            header => Field::Header(HeaderName::from_bytes(header.as_bytes()).ok()?),
        },
    })
}

/// A value without nginx's `\xXX`. Bytes that are no text are replaced.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        match behind.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

/// The access log of nginx and Apache.
pub(crate) const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// The access log of Envoy, if nothing else is configured.
pub(crate) const ENVOY: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";

const HELP: &str =
    "give the log_format of nginx, as in '$remote_addr [$time_local] \"$request\" $status $request_time'";
