//! Fields: the facts that a column or a variable of a log can hold.

use std::{fmt, str::FromStr};

use http::HeaderName;
use sluicegate::Unit;
use sluicegate_policy::{JsonPointer, Part};

/// A fact that a column or a variable of a log holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Field {
    /// The moment at which the request began.
    Time,
    /// The moment at which it ended.
    EndTime,
    /// The request line: method, target and protocol.
    Request,
    /// The method.
    Method,
    /// The path, with or without the query.
    Path,
    /// The address of the client or of the last proxy.
    ClientIp,
    /// The status of the response.
    Status,
    /// Seconds from the beginning to the end.
    Duration,
    /// The same in milliseconds.
    DurationMs,
    /// The id of the API key.
    ApiKey,
    /// The customer.
    Tenant,
    /// The tier.
    Tier,
    /// A header of the request.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A parameter of the query.
    Query(String),
    /// A value of the body.
    Body(JsonPointer),
    /// Tokens of the input.
    InputTokens,
    /// Tokens of the output.
    OutputTokens,
    /// The cost in a unit.
    Cost(Unit),
}

impl FromStr for Field {
    type Err = UnknownField;

    /// Reads a field's name, as `--field` and the first line of a CSV file give it.
    fn from_str(text: &str) -> Result<Self, UnknownField> {
        // Parts of keys are written as in a policy.
        match text.parse() {
            Ok(Part::Header(name)) => return Ok(Self::Header(name)),
            Ok(Part::Cookie(name)) => return Ok(Self::Cookie(name)),
            Ok(Part::Query(name)) => return Ok(Self::Query(name)),
            Ok(Part::Body(pointer)) => return Ok(Self::Body(pointer)),
            _ => {}
        }
        Ok(match text {
            "time" => Self::Time,
            "end_time" => Self::EndTime,
            "request" => Self::Request,
            "method" => Self::Method,
            "path" => Self::Path,
            "client_ip" => Self::ClientIp,
            "status" => Self::Status,
            "duration" => Self::Duration,
            "duration_ms" => Self::DurationMs,
            "api_key" => Self::ApiKey,
            "tenant" => Self::Tenant,
            "tier" => Self::Tier,
            "input_tokens" => Self::InputTokens,
            "output_tokens" => Self::OutputTokens,
            "items" => Self::Cost(Unit::Items),
            "tokens" => Self::Cost(Unit::Tokens),
            "bytes" => Self::Cost(Unit::Bytes),
            "usd" => Self::Cost(Unit::Usd),
            _ => return Err(UnknownField(text.to_owned())),
        })
    }
}

/// The text names no field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownField(String);

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = FIELDS.join(", ");
        write!(f, "`{}` is no field of a request; the fields are {all}", self.0)
    }
}

impl std::error::Error for UnknownField {}

const FIELDS: [&str; 22] = [
    "time",
    "end_time",
    "request",
    "method",
    "path",
    "client_ip",
    "status",
    "duration",
    "duration_ms",
    "api_key",
    "tenant",
    "tier",
    "items",
    "tokens",
    "input_tokens",
    "output_tokens",
    "bytes",
    "usd",
    "header:NAME",
    "cookie:NAME",
    "query:NAME",
    "body:/POINTER",
];
