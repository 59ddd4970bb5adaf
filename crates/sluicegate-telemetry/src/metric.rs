//! Metrics as they are sent: plain values, whoever counted them.

use std::{borrow::Cow, time::SystemTime};

use crate::{Attribute, SpanId, TraceId};

/// A metric with all its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: Cow<'static, str>,
    /// A sentence about it.
    pub description: Cow<'static, str>,
    /// Its unit in UCUM: `s` for seconds, empty for none.
    pub unit: &'static str,
    /// Its series.
    pub points: Points,
}

/// The series of a metric, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Values that only grow.
    Counter(Vec<Point<Number>>),
    /// Values that go up and down.
    Gauge(Vec<Point<Number>>),
    /// Distributions.
    Histogram(Vec<Point<Distribution>>),
}

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Point<V> {
    /// Its labels.
    pub attributes: Vec<(Cow<'static, str>, Attribute)>,
    /// Its value.
    pub value: V,
}

/// A number, whole or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// Any number.
    Real(f64),
}

/// A distribution of values over buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Upper bounds of all buckets but the last, ascending.
    pub bounds: Vec<f64>,
    /// Values in each bucket.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
    /// Values whose traces are recorded.
    pub exemplars: Vec<Exemplar>,
}

/// A value whose trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    /// The trace.
    pub trace: TraceId,
    /// The span in it.
    pub span: SpanId,
    /// The value.
    pub value: f64,
    /// The time at which it was counted.
    pub time: SystemTime,
}

impl Number {
    /// The number that a text says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().map(Self::Whole).or_else(|_| text.parse().map(Self::Real)).ok()
    }
}

impl From<u64> for Number {
    /// A number beyond 2^63 is told as that.
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
