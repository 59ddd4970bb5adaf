//! The findings of a meter in a request's body.

use std::fmt;

use sluicegate::{Cost, Unit};

use crate::{Estimate, JsonPointer, Meter};

/// The findings in one body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub(crate) items: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) values: Vec<(JsonPointer, Option<String>)>,
    /// The tokens that the request may cost, where the meter counts them and the body tells.
    pub(crate) estimate: Option<Box<Estimate>>,
    /// The request has no body and needs none, so nothing is metered.
    pub(crate) is_absent: bool,
}

impl Body {
    /// The body of a request that has none and needs none, such as a GET. Nothing is metered.
    pub(crate) fn absent() -> Self {
        Self { is_absent: true, ..Self::default() }
    }

    /// A body that does not tell its tokens, such as an upload of sound.
    pub(crate) fn untold(meter: &Meter) -> Self {
        let estimate = meter.tokens().map(|tokens| {
            let is_without_output = tokens.is_without_output();
            Box::new(Estimate { choices: 1, is_without_output, ..Estimate::default() })
        });
        Self { estimate, ..Self::default() }
    }

    /// The number of items, if the meter counts them.
    #[must_use]
    pub fn items(&self) -> Option<u64> {
        self.items
    }

    /// The tokens that the request may cost, if the meter estimates them.
    #[must_use]
    pub fn estimate(&self) -> Option<&Estimate> {
        self.estimate.as_deref()
    }

    /// Takes the tokens of the input that the model server has counted.
    pub(crate) fn counted(&mut self, tokens: u64) {
        if let Some(estimate) = &mut self.estimate {
            estimate.counted = Some(tokens);
        }
    }

    /// The cost in a unit that a meter gives.
    #[must_use]
    pub fn cost(&self, unit: Unit) -> Cost {
        match unit {
            Unit::Items => Cost::new(self.items.unwrap_or_default()),
            Unit::Bytes => Cost::new(self.bytes),
            Unit::Requests | Unit::Concurrent => Cost::ONE,
            // Where there is an estimate, the limit's reservation takes its place.
            Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => Cost::ZERO,
            // No meter finds this in a body.
            Unit::Usd => Cost::ONE,
        }
    }

    /// The text at a key's pointer, if there is a string, a number or a truth value.
    #[must_use]
    pub fn value(&self, pointer: &JsonPointer) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == pointer)?.1.as_deref()
    }
}

/// The reason why a body cannot be metered. The request gets a 400 and is charged nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is not JSON; the text says why.
    Malformed(String),
    /// The body is not `multipart/form-data`, though its `Content-Type` says so; the text says why.
    MalformedForm(String),
    /// There is no body to find this pointer in.
    Empty(String),
    /// Nothing is at this pointer.
    Missing(String),
    /// Two members have this name: readers disagree which one counts.
    Twice(String),
    /// The value at this pointer is not a count, for this reason.
    NotACount(String, &'static str),
    /// The value at this pointer is not a number, for this reason.
    NotANumber(String, &'static str),
    /// `Inference-Header-Content-Length` cannot be followed; the text says why.
    InferenceHeader(&'static str),
    /// `Inference-Header-Content-Length` announces more bytes than the body has.
    InferenceHeaderBeyondBody(u64),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the body is not valid JSON: {why}"),
            Self::MalformedForm(why) => write!(f, "the body is not valid multipart/form-data: {why}"),
            Self::Empty(pointer) => write!(f, "`{pointer}` is missing: the request has no body"),
            Self::Missing(pointer) => write!(f, "`{pointer}` is missing from the body"),
            Self::Twice(pointer) => write!(f, "`{pointer}` is in the body twice"),
            Self::NotACount(pointer, why) => {
                write!(f, "`{pointer}` must be an array or a whole number from 0 to 2^53; it is {why}")
            }
            Self::NotANumber(pointer, why) => write!(f, "`{pointer}` must be a whole number; it is {why}"),
            Self::InferenceHeader(why) => write!(f, "Inference-Header-Content-Length {why}"),
            Self::InferenceHeaderBeyondBody(length) => {
                write!(f, "Inference-Header-Content-Length is {length}, and the body is shorter than that")
            }
        }
    }
}

impl std::error::Error for BodyError {}
