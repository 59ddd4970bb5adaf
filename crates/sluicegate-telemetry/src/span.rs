//! Spans.

use std::{borrow::Cow, time::SystemTime};

use crate::{SpanId, TraceId};

/// A record of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// The span that it is part of.
    pub parent: Option<SpanId>,
    /// Set if that span is another service's.
    pub has_remote_parent: bool,
    /// The value of `tracestate`.
    pub state: String,
    /// The side of the operation that is recorded.
    pub kind: SpanKind,
    /// The kind of operation, in few words that many spans share.
    pub name: String,
    /// Its beginning.
    pub start: SystemTime,
    /// Its end.
    pub end: SystemTime,
    /// Facts about it, by their names in OpenTelemetry's conventions.
    pub attributes: Vec<(Cow<'static, str>, Attribute)>,
    /// It failed.
    pub is_error: bool,
}

/// The side of an operation that a span records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpanKind {
    /// The one that is asked.
    Server,
    /// The one that asks.
    Client,
}

/// A fact about an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// A boolean.
    Truth(bool),
    /// Several texts.
    Texts(Vec<String>),
}

impl Span {
    /// Adds a fact.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Attribute>) {
        self.attributes.push((name.into(), value.into()));
    }
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Attribute {
    /// A number beyond 2^63 is told as that.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Attribute {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<Vec<String>> for Attribute {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}
