//! W3C Trace Context: the headers by which services tell each other of a trace.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The id of a trace, never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId(u128);

/// The id of a span, never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpanId(u64);

/// A request's place in a trace: the value of `traceparent`.
///
/// ```
/// use sluicegate_telemetry::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::parse(text.as_bytes()).expect("it is valid");
/// assert!(context.is_sampled);
/// assert_eq!(context.to_string(), text);
/// assert_eq!(TraceContext::parse(b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span of the service that sends the request.
    pub parent: SpanId,
    /// Set if the calling service records it.
    pub is_sampled: bool,
}

impl TraceId {
    /// The id of this number. `None` for zero, which is no id.
    #[must_use]
    pub fn new(number: u128) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// The id that 32 hexadecimal digits in lower case write.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 32 { Self::new(hex(text.as_bytes())?) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl SpanId {
    /// The id of this number. `None` for zero, which is no id.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// The id that 16 hexadecimal digits in lower case write.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 16 { Self::new(u64::try_from(hex(text.as_bytes())?).ok()?) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TraceContext {
    /// The header that carries it.
    pub const HEADER: HeaderName = HeaderName::from_static("traceparent");
    /// The header beside it, with facts of tracing systems. It means nothing without the other.
    pub const STATE_HEADER: HeaderName = HeaderName::from_static("tracestate");

    /// Reads the context of a request. `None` if there is none, or several, or one that is not valid.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(Self::HEADER).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    /// Reads the value of `traceparent`: that of version 00, or its part of a later version's.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let version = hex(&known[..2])?;
        let is_whole = rest.is_empty() || version > 0 && rest[0] == b'-';
        if version == FORBIDDEN || !is_whole || [2, 35, 52].iter().any(|at| known[*at] != b'-') {
            return None;
        }
        let parent = u64::try_from(hex(&known[36..52])?).ok()?;
        Some(Self {
            trace: TraceId::new(hex(&known[3..35])?)?,
            parent: SpanId::new(parent)?,
            is_sampled: hex(&known[53..])? & SAMPLED != 0,
        })
    }

    /// Writes it into the head of a request. What other services have said of the trace stays.
    pub fn write(self, headers: &mut HeaderMap) {
        // Hexadecimal digits and hyphens make a header.
        if let Ok(value) = HeaderValue::try_from(self.to_string()) {
            headers.insert(Self::HEADER, value);
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.parent, u8::from(self.is_sampled))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Reads at most 32 hexadecimal digits in lower case.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// Bytes of a value of version 00.
const LENGTH: usize = 55;
/// The version that no value may have.
const FORBIDDEN: u128 = 0xff;
/// The flag of a request that is recorded.
const SAMPLED: u128 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = VALID.replacen("00", "cc", 1);
        for value in [later.clone(), format!("{later}-what-the-future-will-be-like"), format!("{later}-")] {
            assert_eq!(
                TraceContext::parse(value.as_bytes()),
                TraceContext::parse(VALID.as_bytes()),
                "{value}"
            );
        }
        assert_eq!(TraceContext::parse(format!("{later}.what").as_bytes()), None);
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        for value in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067aa0ba902b7-01",
            "00.4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0_-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn two_contexts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TraceContext::HEADER, HeaderValue::from_static(VALID));
        assert!(TraceContext::of(&headers).is_some());
        headers.append(TraceContext::HEADER, HeaderValue::from_static(VALID));
        assert_eq!(TraceContext::of(&headers), None);
    }

    #[test]
    fn only_the_flag_of_sampling_is_read() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("fe", false)] {
            let value = format!("{}{flags}", &VALID[..53]);
            assert_eq!(TraceContext::parse(value.as_bytes()).map(|it| it.is_sampled), Some(is_sampled));
        }
    }
}
